import t from "tap";
import { TRIANGLE, tone, wav } from "../../../test/fixtures/sounds.ts";
import { soundHead } from "../../core/sound.ts";
import { type ReadableSound, readableSound } from "./readable-sound.ts";

const { signal } = new AbortController();

async function read(base64: string): Promise<ReadableSound & { readonly bytes: Buffer }> {
  const sound = await readableSound(base64, signal);
  const [, data = ""] = /^data:audio\/(?:wav|flac);base64,(.*)$/.exec(sound.dataUrl) ?? [];
  return { ...sound, bytes: Buffer.from(data, "base64") };
}

t.test("WAV keeps its samples, and gets a head that says how many", async (t) => {
  const samples = Buffer.from(Array.from({ length: 16_000 }, (_, index) => index % 251));
  const rows = [
    [{}, 0.5],
    [{ dataBytes: 0 }, 0.5],
    [{ dataBytes: 2 ** 32 - 1 }, 0.5],
    [{ dataBytes: 8_000 }, 0.25],
    [{ channels: 2, sampleRate: 8_000, bits: 32, tag: 3 }, 0.25],
    [{ bits: 8, sampleRate: 8_000, tag: 6 }, 2],
  ] as const;
  for (const [head, seconds] of rows) {
    const { bytes, ...sound } = await read(wav(samples, head).toString("base64"));
    t.equal(sound.seconds, seconds);
    const { dataBytes: _said, ...format } = { dataBytes: 0, ...head };
    const kept =
      "dataBytes" in head && head.dataBytes === 8_000 ? samples.subarray(0, 8_000) : samples;
    t.same(bytes, wav(kept, format));
  }
});

t.test("FLAC goes as it is", async (t) => {
  t.same(await readableSound(TRIANGLE.flac, signal), {
    dataUrl: `data:audio/flac;base64,${TRIANGLE.flac}`,
    seconds: 0.1,
  });
});

t.test("MP3 is unpacked", async (t) => {
  const { seconds, bytes } = await read(TRIANGLE.mp3);
  t.match(soundHead(bytes), { format: "wav", coding: "pcm", channels: 1, seconds });
  t.ok(seconds >= 0.5 && seconds < 0.7, `${seconds} s: an encoder fills its last frame`);
  const samples = bytes.subarray(44);
  const levels = Array.from({ length: samples.length / 2 }, (_, at) => samples.readInt16LE(at * 2));
  const loud = levels.filter((level) => Math.abs(level) > 2_000);
  const highest = loud.reduce((most, level) => Math.max(most, Math.abs(level)), 0);
  t.ok(highest > 5_000 && highest < 10_000, `as loud as it was: ${highest}`);
  const turns = loud.filter((level, at) => level > 0 !== (loud[at - 1] ?? 0) > 0).length;
  t.ok(Math.abs(turns - 500) < 50, `500 Hz for half a second turn 500 times: ${turns}`);
});

t.test("what is refused", async (t) => {
  const mp3 = Buffer.from(TRIANGLE.mp3, "base64");
  const rows: readonly (readonly [what: string, bytes: Buffer, message: RegExp])[] = [
    ["text", Buffer.from("hi"), /send WAV, MP3 or FLAC/],
    ["a tag alone", Buffer.from("ID3\x04\0\0\0\0\0\0"), /its MP3 is damaged/],
    ["MP3 of 17 minutes", Buffer.concat(Array.from({ length: 2_000 }, () => mp3)), /15 minutes/],
  ];
  for (const [what, bytes, message] of rows) {
    const read = readableSound(bytes.toString("base64"), signal);
    await t.rejects(read, { code: "INVALID_REQUEST", message }, what);
  }
  const left = AbortSignal.abort(new Error("left"));
  await t.rejects(readableSound(TRIANGLE.mp3, left), { message: "left" });
  t.ok(await readableSound(tone(440), left), "what takes no time is not left");
});
