import t from "tap";
import { TRIANGLE, wav } from "../../test/fixtures/sounds.ts";
import {
  isWav,
  problemWithDuration,
  problemWithSound,
  SOUND_SECONDS_MAX,
  type SoundHead,
  soundHead,
} from "./sound.ts";

const SECOND = Buffer.alloc(32_000);
const FLAC = Buffer.from(TRIANGLE.flac, "base64");
const MP3 = Buffer.from(TRIANGLE.mp3, "base64");
const HALF = Buffer.from(wav(SECOND).subarray(0, 44 + 16_000));

/** WAVE_FORMAT_EXTENSIBLE, whose coding is that of its sub-format, behind a chunk of an odd length. */
function extensible(tag: number): Buffer {
  const plain = wav(SECOND, { tag: 0xfffe });
  const note = Buffer.from("LIST\x03\0\0\0abc\0", "latin1");
  const format = Buffer.concat([plain.subarray(12, 36), Buffer.alloc(24)]);
  format.writeUInt32LE(40, 4);
  format.writeUInt16LE(tag, 32);
  return Buffer.concat([plain.subarray(0, 12), note, format, plain.subarray(36)]);
}

t.test("what the head of a sound says", (t) => {
  const pcm = { format: "wav", coding: "pcm", channels: 1, sampleRate: 16_000, bitsPerSample: 16 };
  const rows: readonly (readonly [what: string, bytes: Buffer, head: unknown])[] = [
    ["WAV", wav(SECOND), { ...pcm, seconds: 1 }],
    ["two channels", wav(SECOND, { channels: 2 }), { ...pcm, channels: 2, seconds: 0.5 }],
    ["floats", wav(SECOND, { tag: 3, bits: 32 }), { coding: "float", seconds: 0.5 }],
    ["A-law", wav(SECOND, { tag: 6, bits: 8, sampleRate: 8_000 }), { coding: "a-law", seconds: 4 }],
    ["µ-law", wav(SECOND, { tag: 7, bits: 8 }), { coding: "mu-law", bitsPerSample: 8 }],
    ["extensible", extensible(1), { ...pcm, seconds: 1 }],
    ["extensible, of another coding", extensible(2), undefined],
    ["WAV that says more than it has", HALF, { ...pcm, seconds: 0.5 }],
    ["WAV of no known end", wav(SECOND, { dataBytes: 2 ** 32 - 1 }), { ...pcm, seconds: 1 }],
    ["WAV of no end yet", wav(SECOND, { dataBytes: 0 }), { ...pcm, seconds: 1 }],
    ["ADPCM", wav(SECOND, { tag: 2, bits: 4 }), undefined],
    ["PCM of 12 bits", wav(SECOND, { bits: 12 }), undefined],
    ["no channel", wav(SECOND, { channels: 0 }), undefined],
    ["9 channels", wav(SECOND, { channels: 9 }), undefined],
    ["1 Hz", wav(SECOND, { sampleRate: 1 }), undefined],
    ["WAV without samples", wav(SECOND).subarray(0, 36), undefined],
    ["WAV without a format", hex(wav(SECOND).toString("hex").replace("666d7420", "66")), undefined],
    ["WAV that ends in its format", wav(SECOND).subarray(0, 30), undefined],
    ["FLAC", FLAC, { format: "flac", seconds: 0.1 }],
    ["FLAC that ends early", FLAC.subarray(0, 41), undefined],
    ["FLAC without STREAMINFO", patched(FLAC, 4, 0x84), undefined],
    ["FLAC of no rate", patched(FLAC, 18, 0, 0, 0), undefined],
    [
      "FLAC of no known length",
      patched(FLAC, 21, FLAC.readUInt8(21) & 0xf0, 0, 0, 0, 0),
      { format: "flac", seconds: undefined },
    ],
    ["MP3", MP3, { format: "mp3" }],
    ["MP3 with a tag", Buffer.concat([Buffer.from("ID3\x04"), MP3]), { format: "mp3" }],
    ["a frame of a reserved rate", patched(MP3, 2, 0xfc), undefined],
    ["a frame of a reserved layer", patched(MP3, 1, 0xe0), undefined],
    ["JPEG", hex("ffd8ffe000104a464946000101000001"), undefined],
    ["AAC", hex("fff15080000000000000"), undefined],
    ["text", Buffer.from("a text that is no sound at all"), undefined],
    ["nothing", Buffer.alloc(0), undefined],
  ];
  for (const [what, bytes, head] of rows) {
    if (head === undefined) t.equal(soundHead(bytes), undefined, what);
    else t.match(soundHead(bytes), head as Partial<SoundHead>, what);
  }
  t.equal(isWav(wav(SECOND, { tag: 2 })), true);
  t.equal(isWav(FLAC), false);
  t.end();
});

t.test("what is refused, and why", (t) => {
  const rows: readonly (readonly [what: string, bytes: Buffer, problem: RegExp | undefined])[] = [
    ["WAV", wav(SECOND), undefined],
    ["FLAC", FLAC, undefined],
    ["MP3", MP3, undefined],
    ["text", Buffer.from("hi"), /send WAV, MP3 or FLAC/],
    ["another WAV", wav(SECOND, { tag: 2 }), /none of PCM, A-law and µ-law/],
    ["no samples", wav(Buffer.alloc(0)), /too short/],
    ["a moment", wav(Buffer.alloc(3_198)), /too short: it must last 0\.1 seconds/],
    ["more than that", wav(Buffer.alloc(3_200)), undefined],
    ["17 minutes", wav(Buffer.alloc(8_000 * 1_020), { sampleRate: 8_000, bits: 8 }), /15 minutes/],
    ["FLAC of weeks", patched(FLAC, 22, 0xff, 0xff, 0xff, 0xff), /15 minutes/],
    ["FLAC of no length", patched(FLAC, 21, FLAC.readUInt8(21) & 0xf0, 0, 0, 0, 0), /how long/],
  ];
  for (const [what, bytes, problem] of rows) {
    if (problem === undefined) t.equal(problemWithSound(bytes), undefined, what);
    else t.match(problemWithSound(bytes), problem, what);
  }
  t.equal(problemWithDuration(SOUND_SECONDS_MAX), undefined);
  t.match(problemWithDuration(SOUND_SECONDS_MAX + 1), /too long/);
  t.end();
});

function patched(bytes: Buffer, at: number, ...values: number[]): Buffer {
  const copy = Buffer.from(bytes);
  copy.set(values, at);
  return copy;
}

function hex(text: string): Buffer {
  return Buffer.from(text, "hex");
}
