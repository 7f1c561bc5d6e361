/**
 * Messages on a stream: four bytes of length (big-endian), then the message. A length of 0xffffffff stands alone and says
 * that the sender has ended this exchange; what follows belongs to the next one.
 */
export type Frame = Uint8Array | typeof END;
export const END = Symbol("end");

const HEADER_BYTES = 4;
const END_LENGTH = 0xffff_ffff;
/** Up to here one copy is cheaper than a second frame of the multiplexer and a second encryption. */
const JOINED_BYTES_MAX = 32 * 1_024;

export const END_FRAME: Uint8Array = Uint8Array.of(0xff, 0xff, 0xff, 0xff);

/** The pieces to write, in order. */
export function encodeFrame(
  message: Uint8Array,
  { end }: { readonly end: boolean },
): readonly Uint8Array[] {
  const { length } = message;
  if (length > JOINED_BYTES_MAX) {
    const header = Buffer.allocUnsafe(HEADER_BYTES);
    header.writeUInt32BE(length);
    return end ? [header, message, END_FRAME] : [header, message];
  }
  const frame = Buffer.allocUnsafe(HEADER_BYTES + length + (end ? HEADER_BYTES : 0));
  frame.writeUInt32BE(length);
  frame.set(message, HEADER_BYTES);
  if (end) frame.writeUInt32BE(END_LENGTH, HEADER_BYTES + length);
  return [frame];
}

/** Cuts what arrives into frames. A message that came in one piece is a view of it, others are joined once. */
export class FrameReader {
  readonly #messageBytesMax: number;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #neededBytes = HEADER_BYTES;

  constructor(messageBytesMax: number) {
    this.#messageBytesMax = messageBytesMax;
  }

  /** Throws a RangeError when the other side announces a message over the limit. */
  push(piece: Uint8Array, onFrame: (frame: Frame) => void): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    if (this.#bytes < this.#neededBytes) return;
    const joined = this.#pieces.length === 1 ? piece : Buffer.concat(this.#pieces, this.#bytes);
    const rest = this.#readFrames(joined, onFrame);
    this.#pieces = rest.length > 0 ? [rest] : [];
    this.#bytes = rest.length;
  }

  #readFrames(bytes: Uint8Array, onFrame: (frame: Frame) => void): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let offset = 0;
    for (;;) {
      this.#neededBytes = HEADER_BYTES;
      if (bytes.length - offset < HEADER_BYTES) break;
      const length = view.getUint32(offset);
      if (length === END_LENGTH) {
        offset += HEADER_BYTES;
        onFrame(END);
        continue;
      }
      if (length > this.#messageBytesMax) {
        throw new RangeError(`a message of ${length} bytes, over the limit`);
      }
      this.#neededBytes = HEADER_BYTES + length;
      if (bytes.length - offset < this.#neededBytes) break;
      offset += HEADER_BYTES;
      onFrame(bytes.subarray(offset, offset + length));
      offset += length;
    }
    return bytes.subarray(offset);
  }
}
