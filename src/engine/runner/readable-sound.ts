import { setImmediate } from "node:timers/promises";
import { InferenceError } from "../../core/errors.ts";
import {
  problemWithDuration,
  problemWithSound,
  SOUND_SECONDS_MAX,
  soundHead,
  type WavCoding,
  type WavHead,
} from "../../core/sound.ts";

export interface ReadableSound {
  readonly dataUrl: string;
  readonly seconds: number;
}

/**
 * The sound as llama.cpp's own readers are given it: with a length that is true. They make room for as much as a head says, so a
 * WAV file gets a head of ours, and MP3, whose length is known when it has been unpacked, is unpacked here.
 */
export async function readableSound(base64: string, signal: AbortSignal): Promise<ReadableSound> {
  const bytes = Buffer.from(base64, "base64");
  const problem = problemWithSound(bytes);
  if (problem !== undefined) throw new InferenceError("INVALID_REQUEST", problem);
  const head = soundHead(bytes);
  if (head?.format === "flac") {
    return { dataUrl: `data:audio/flac;base64,${base64}`, seconds: head.seconds ?? 0 };
  }
  const wav = head?.format === "wav" ? head : await unpackedMp3(bytes, signal);
  const dataUrl = `data:audio/wav;base64,${wavFile(wav).toString("base64")}`;
  return { dataUrl, seconds: wav.seconds };
}

const TAGS: Readonly<Record<WavCoding, number>> = { pcm: 1, float: 3, "a-law": 6, "mu-law": 7 };
const HEAD_BYTES = 44;

function wavFile(wav: Omit<WavHead, "format" | "seconds">): Buffer {
  const { coding, channels, sampleRate, bitsPerSample, samples } = wav;
  const frameBytes = (channels * bitsPerSample) / 8;
  const head = Buffer.alloc(HEAD_BYTES);
  head.write("RIFF", 0);
  head.writeUInt32LE(HEAD_BYTES - 8 + samples.length, 4);
  head.write("WAVEfmt ", 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(TAGS[coding], 20);
  head.writeUInt16LE(channels, 22);
  head.writeUInt32LE(sampleRate, 24);
  head.writeUInt32LE(sampleRate * frameBytes, 28);
  head.writeUInt16LE(frameBytes, 32);
  head.writeUInt16LE(bitsPerSample, 34);
  head.write("data", 36);
  head.writeUInt32LE(samples.length, 40);
  return Buffer.concat([head, samples]);
}

/** At eight kilobits a second, the least that there is, a minute of sound: other answers go on between two of them. */
const CHUNK_BYTES = 64 * 1_024;

/** By libmpg123 in WebAssembly, which a broken file cannot leave. */
async function unpackedMp3(bytes: Buffer, signal: AbortSignal): Promise<WavHead> {
  // Compiled when the first one comes.
  const { MPEGDecoder } = await import("mpg123-decoder");
  const decoder = new MPEGDecoder();
  await decoder.ready;
  const parts: Buffer[] = [];
  let count = 0;
  let rate = 0;
  try {
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      const decoded = decoder.decode(bytes.subarray(at, at + CHUNK_BYTES));
      rate ||= decoded.sampleRate;
      parts.push(mixed(decoded.channelData, decoded.samplesDecoded));
      count += decoded.samplesDecoded;
      if (count > SOUND_SECONDS_MAX * rate) break;
      await setImmediate();
      signal.throwIfAborted();
    }
  } finally {
    decoder.free();
  }
  const seconds = rate === 0 ? 0 : count / rate;
  const problem =
    count === 0 ? "a sound cannot be read: its MP3 is damaged" : problemWithDuration(seconds);
  if (problem !== undefined) throw new InferenceError("INVALID_REQUEST", problem);
  const samples = Buffer.concat(parts);
  return {
    ...{ format: "wav", coding: "pcm", channels: 1, sampleRate: rate, bitsPerSample: 16 },
    ...{ samples, seconds },
  };
}

/** All channels in one, of 16 bits. */
function mixed(channels: readonly Float32Array[], count: number): Buffer {
  const samples = Buffer.alloc(count * 2);
  for (let index = 0; index < count; index++) {
    let sum = 0;
    for (const channel of channels) sum += channel[index] ?? 0;
    const level = Math.max(-1, Math.min(1, sum / channels.length));
    samples.writeInt16LE(Math.round(level * 32_767), index * 2);
  }
  return samples;
}
