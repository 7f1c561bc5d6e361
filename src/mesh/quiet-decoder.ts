import type { MessageStream } from "@libp2p/interface";

interface Bytes {
  readonly byteLength: number;
  get(index: number): number;
}
interface Decoder {
  lengthDecoder: (bytes: Bytes) => number;
}

/** Made once: taking down its stack costs a tenth of a millisecond. */
const NOT_YET = new RangeError("not all of the length is here");

/**
 * Noise (chainsafe/libp2p-noise 17.0.0, encoder.ts) says by a new RangeError, after each message, that the next one has not
 * come; this puts a decoder in its place that throws one and the same. Where the connection has no such part, it stays as
 * it is.
 */
export function quietDecoder(secured: MessageStream): void {
  const decoder: unknown = "decoder" in secured ? secured.decoder : undefined;
  if (!isDecoder(decoder)) return;
  decoder.lengthDecoder = (bytes) => {
    if (bytes.byteLength < 2) throw NOT_YET;
    return bytes.get(0) * 256 + bytes.get(1);
  };
}

function isDecoder(value: unknown): value is Decoder {
  return typeof value === "object" && value !== null && "lengthDecoder" in value;
}
