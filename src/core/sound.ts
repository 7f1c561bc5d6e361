/** All sounds of a request together. One of them is unpacked whole, and heard 30 seconds at a time. */
export const SOUND_SECONDS_MAX = 900;
/** Each of them: llama.cpp does not survive a single sample. */
export const SOUND_SECONDS_MIN = 0.1;
export const SOUND_FORMATS = "WAV, MP3 or FLAC";

export type SoundHead =
  | WavHead
  | { readonly format: "flac"; readonly seconds: number | undefined }
  /** How long it is, only its frames tell. */
  | { readonly format: "mp3"; readonly seconds: undefined };

export interface WavHead {
  readonly format: "wav";
  readonly coding: WavCoding;
  readonly channels: number;
  /** In hertz. */
  readonly sampleRate: number;
  readonly bitsPerSample: number;
  readonly samples: Buffer;
  readonly seconds: number;
}

export type WavCoding = "pcm" | "float" | "a-law" | "mu-law";

/**
 * What the head of a file says of the sound in it; undefined when it is none that can be read. It is looked at before
 * llama.cpp sees it, which would make room for whatever the head promises.
 */
export function soundHead(bytes: Buffer): SoundHead | undefined {
  return wavHead(bytes) ?? flacHead(bytes) ?? mp3Head(bytes);
}

/** Whether it says that it is one; its format may come far behind. */
export function isWav(bytes: Buffer): boolean {
  return ascii(bytes, 0) === "RIFF" && ascii(bytes, 8) === "WAVE";
}

/** Format tags of WAVE files (RFC 2361, appendix A), with the bits that a sample may have in each. */
const WAV_CODINGS: ReadonlyMap<number, readonly [WavCoding, readonly number[]]> = new Map([
  [1, ["pcm", [8, 16, 24, 32]]],
  [3, ["float", [32, 64]]],
  [6, ["a-law", [8]]],
  [7, ["mu-law", [8]]],
]);
const WAV_EXTENSIBLE = 0xfffe;
const CHANNELS_MAX = 8;
const SAMPLE_RATE_MIN = 8_000;
const SAMPLE_RATE_MAX = 384_000;

/** RIFF's chunks: the format, then the samples. What is written while it comes does not know how many: all the rest are. */
function wavHead(bytes: Buffer): WavHead | undefined {
  if (!isWav(bytes)) return undefined;
  let format: Omit<WavHead, "samples" | "seconds"> | undefined;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const size = bytes.readUInt32LE(at + 4);
    const body = bytes.subarray(at + 8, at + 8 + size);
    if (ascii(bytes, at) === "fmt ") format = wavFormat(body);
    if (ascii(bytes, at) === "data") {
      if (!format) return undefined;
      const { channels, sampleRate, bitsPerSample } = format;
      const samples = size === 0 ? bytes.subarray(at + 8) : body;
      const seconds = (samples.length * 8) / (sampleRate * channels * bitsPerSample);
      return { ...format, samples, seconds };
    }
    at += 8 + size + (size % 2);
  }
  return undefined;
}

function wavFormat(body: Buffer): Omit<WavHead, "samples" | "seconds"> | undefined {
  if (body.length < 16) return undefined;
  const tag = body.readUInt16LE(0);
  const isExtended = tag === WAV_EXTENSIBLE && body.length >= 26;
  const found = WAV_CODINGS.get(isExtended ? body.readUInt16LE(24) : tag);
  const channels = body.readUInt16LE(2);
  const sampleRate = body.readUInt32LE(4);
  const bitsPerSample = body.readUInt16LE(14);
  if (!found?.[1].includes(bitsPerSample)) return undefined;
  if (body.readUInt16LE(12) !== (channels * bitsPerSample) / 8) return undefined;
  if (channels === 0 || channels > CHANNELS_MAX) return undefined;
  if (sampleRate < SAMPLE_RATE_MIN || sampleRate > SAMPLE_RATE_MAX) return undefined;
  return { format: "wav", coding: found[0], channels, sampleRate, bitsPerSample };
}

/** RFC 9639 §8.2: STREAMINFO comes first; no samples means that their number was not known. */
function flacHead(bytes: Buffer): SoundHead | undefined {
  if (bytes.length < 42 || ascii(bytes, 0) !== "fLaC" || (bytes.readUInt8(4) & 0x7f) !== 0) {
    return undefined;
  }
  const sampleRate = bytes.readUIntBE(18, 3) >> 4;
  const samples = (bytes.readUInt8(21) & 0x0f) * 2 ** 32 + bytes.readUInt32BE(22);
  if (sampleRate < SAMPLE_RATE_MIN || sampleRate > SAMPLE_RATE_MAX) return undefined;
  return { format: "flac", seconds: samples === 0 ? undefined : samples / sampleRate };
}

/** A tag (ID3v2 §3.1), or the header of a frame (ISO/IEC 11172-3 §2.4.1.3) with nothing in it that is reserved. */
function mp3Head(bytes: Buffer): SoundHead | undefined {
  if (bytes.length < 10) return undefined;
  const [first = 0, second = 0, third = 0] = bytes;
  const isFrame =
    first === 0xff &&
    (second & 0xe0) === 0xe0 &&
    (second & 0x18) !== 0x08 &&
    (second & 0x06) !== 0 &&
    (third & 0xf0) !== 0xf0 &&
    (third & 0x0c) !== 0x0c;
  const isSound = isFrame || bytes.toString("latin1", 0, 3) === "ID3";
  return isSound ? { format: "mp3", seconds: undefined } : undefined;
}

function ascii(bytes: Buffer, at: number): string {
  return bytes.toString("latin1", at, at + 4);
}

/** Why this one cannot be heard, as a sentence; undefined when it can. */
export function problemWithSound(bytes: Buffer): string | undefined {
  const head = soundHead(bytes);
  if (!head && isWav(bytes)) {
    return "a WAV file cannot be read: it is damaged, or its coding is none of PCM, A-law and µ-law";
  }
  if (!head) return `a sound is in no format that can be read: send ${SOUND_FORMATS}`;
  if (head.format === "flac" && head.seconds === undefined) {
    return "a FLAC file does not say how long it is: write it anew, from a file to a file";
  }
  return head.seconds === undefined ? undefined : problemWithDuration(head.seconds);
}

/** Of one sound, or of all of a request together. */
export function problemWithDuration(seconds: number): string | undefined {
  if (seconds < SOUND_SECONDS_MIN) {
    return `a sound is too short: it must last ${SOUND_SECONDS_MIN} seconds at least`;
  }
  if (seconds <= SOUND_SECONDS_MAX) return undefined;
  const minutes = SOUND_SECONDS_MAX / 60;
  return `the sound is too long: all of a request together may last ${minutes} minutes, so send it in parts`;
}
