import { createRequire } from "node:module";
import { InferenceError } from "../../core/errors.ts";
import { pictureHead } from "../../core/picture.ts";

/** The part of @cwasm/webp that we use: libwebp in WebAssembly, which a broken file cannot leave. */
interface WebpLibrary {
  /** Four bytes for each pixel: red, green, blue and alpha. Throws for what is no still picture. */
  decode(bytes: Uint8Array): {
    readonly width: number;
    readonly height: number;
    readonly data: Uint8ClampedArray;
  };
}

const HEAD_BYTES = 54;
const INFO_BYTES = 40;
const BITS = 24;

/** The picture as llama.cpp's own reader can take it, which knows no WebP: others as they are. Both in base64. */
export function readablePicture(base64: string): string {
  const bytes = Buffer.from(base64, "base64");
  if (pictureHead(bytes)?.format !== "webp") return base64;
  // Compiled when the first one comes.
  const { decode }: WebpLibrary = createRequire(import.meta.url)("@cwasm/webp");
  let picture: ReturnType<WebpLibrary["decode"]>;
  try {
    picture = decode(bytes);
  } catch (error) {
    const message = "an image cannot be read: its WebP is damaged, or has moving pictures";
    throw new InferenceError("INVALID_REQUEST", message, { cause: error });
  }
  return bitmap(picture).toString("base64");
}

/** A Windows bitmap of three bytes for each pixel, from the top; alpha is left out, as llama.cpp's reader does with PNG's. */
function bitmap({ width, height, data }: ReturnType<WebpLibrary["decode"]>): Buffer {
  const rowBytes = Math.ceil((width * 3) / 4) * 4;
  const file = Buffer.alloc(HEAD_BYTES + rowBytes * height);
  file.write("BM", "latin1");
  file.writeUInt32LE(file.length, 2);
  file.writeUInt32LE(HEAD_BYTES, 10);
  file.writeUInt32LE(INFO_BYTES, 14);
  file.writeInt32LE(width, 18);
  file.writeInt32LE(-height, 22);
  file.writeUInt16LE(1, 26);
  file.writeUInt16LE(BITS, 28);
  for (let y = 0; y < height; y++) {
    let from = y * width * 4;
    let to = HEAD_BYTES + y * rowBytes;
    for (let x = 0; x < width; x++, from += 4) {
      file[to++] = data[from + 2] ?? 0;
      file[to++] = data[from + 1] ?? 0;
      file[to++] = data[from] ?? 0;
    }
  }
  return file;
}
