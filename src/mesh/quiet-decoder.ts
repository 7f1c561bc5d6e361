import type { MessageStream } from "@libp2p/interface";

/** As libp2p's list of byte pieces. */
interface Bytes {
  readonly byteLength: number;
  get(index: number): number;
  append(bytes: Bytes): void;
  sublist(from: number, to: number): Bytes;
  consume(bytes: number): void;
}
interface Decoder {
  readonly buffer: Bytes;
  readonly maxBufferSize: number;
  decode: (bytes: Bytes) => Iterable<Bytes>;
}

const LENGTH_BYTES = 2;

/**
 * Noise (chainsafe/libp2p-noise 17.0.0, utils.ts) learns by a RangeError, after each message, that the next one has not come:
 * this decodes without one. Where the connection has no such part, it stays as it is.
 */
export function quietDecoder(secured: MessageStream): void {
  const decoder: unknown = "decoder" in secured ? secured.decoder : undefined;
  if (!isDecoder(decoder)) return;
  const { buffer, maxBufferSize } = decoder;
  decoder.decode = (bytes) => {
    buffer.append(bytes);
    if (buffer.byteLength > maxBufferSize) throw new RangeError("too much has come at once");
    const messages: Bytes[] = [];
    while (buffer.byteLength >= LENGTH_BYTES) {
      const end = LENGTH_BYTES + buffer.get(0) * 256 + buffer.get(1);
      if (buffer.byteLength < end) break;
      if (end > LENGTH_BYTES) messages.push(buffer.sublist(LENGTH_BYTES, end));
      buffer.consume(end);
    }
    return messages;
  };
}

function isDecoder(value: unknown): value is Decoder {
  return (
    typeof value === "object" &&
    value !== null &&
    "lengthDecoder" in value &&
    "decode" in value &&
    "buffer" in value
  );
}
