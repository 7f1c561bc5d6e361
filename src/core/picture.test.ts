import t from "tap";
import { plainPng } from "../../test/fixtures/vision-projector.ts";
import { WEBP } from "../../test/fixtures/webp.ts";
import { pictureHead, problemWithPicture } from "./picture.ts";

const PNG = Buffer.from(plainPng(1, 2, 3, 5), "base64");
const GIF = Buffer.from("4749463839610300020080000000", "hex");
const BMP = Buffer.concat([
  Buffer.from("BM"),
  Buffer.alloc(12),
  Buffer.from("28000000" + "07000000" + "f8ffffff", "hex"),
]);
const JPEG_APP0 = "ffd8" + "ffe00004" + "0000";
const FRAME = "0011" + "08" + "0009" + "000a" + "03";

t.test("what the head of a picture says", (t) => {
  const rows: readonly (readonly [what: string, bytes: Buffer, head: unknown])[] = [
    ["PNG", PNG, { format: "png", width: 5, height: 5 }],
    ["GIF", GIF, { format: "gif", width: 3, height: 2 }],
    ["BMP, from the top", BMP, { format: "bmp", width: 7, height: 8 }],
    ["JPEG", hex(`${JPEG_APP0}ffc0${FRAME}`), { format: "jpeg", width: 10, height: 9 }],
    ["progressive, filled", hex(`ffd8ffffffc2${FRAME}`), { format: "jpeg", width: 10, height: 9 }],
    ["JPEG without a frame", hex(`${JPEG_APP0}ffc4${FRAME}`), undefined],
    ["JPEG that ends early", hex("ffd8ffe0"), undefined],
    ["JPEG with noise", hex(`ffd800c0${FRAME}`), undefined],
    ["PNG that ends early", PNG.subarray(0, 20), undefined],
    ["PNG without IHDR", hex(PNG.toString("hex").replace("49484452", "49484453")), undefined],
    ["a WAV file", Buffer.from("RIFF\0\0\0\0WAVEfmt and so on, long enough"), undefined],
    ["WebP", webp("red"), { format: "webp", width: 64, height: 64 }],
    ["WebP, lossy", webp("red, lossy"), { format: "webp", width: 64, height: 64 }],
    ["WebP with alpha", webp("red, half"), { format: "webp", width: 64, height: 64 }],
    ["WebP that ends early", webp("red").subarray(0, 29), undefined],
    ["WebP of another kind", Buffer.from("RIFF\0\0\0\0WEBPVP8Z and so on, long enough"), undefined],
    ["WebP without a frame", Buffer.from("RIFF\0\0\0\0WEBPVP8 and so on, long enough"), undefined],
    ["WebP without a mark", Buffer.from("RIFF\0\0\0\0WEBPVP8L and so on, long enough"), undefined],
    ["text", Buffer.from("hi"), undefined],
    ["nothing", Buffer.alloc(0), undefined],
  ];
  for (const [what, bytes, head] of rows) t.same(pictureHead(bytes), head, what);
  t.end();
});

t.test("what is refused, and why", (t) => {
  const huge = Buffer.from(PNG);
  huge.writeUInt32BE(100_000, 16);
  huge.writeUInt32BE(100_000, 20);
  const empty = Buffer.from(PNG);
  empty.writeUInt32BE(0, 16);
  t.equal(problemWithPicture(PNG), undefined);
  t.match(problemWithPicture(Buffer.from("hi")), /PNG, JPEG, WebP, GIF or BMP/);
  t.match(problemWithPicture(huge), /100000 × 100000 pixels is too large/);
  t.match(problemWithPicture(empty), /no pixels/);
  t.end();
});

function webp(name: keyof typeof WEBP): Buffer {
  return Buffer.from(WEBP[name], "base64");
}

function hex(text: string): Buffer {
  return Buffer.from(text, "hex");
}
