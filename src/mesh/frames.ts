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

/** Whether a frame holds the message's bytes rather than the message. */
export function isCopied({ length }: Uint8Array): boolean {
  return length <= JOINED_BYTES_MAX;
}

export const END_FRAME: Uint8Array = Uint8Array.of(0xff, 0xff, 0xff, 0xff);

/** The pieces to write, in order. */
export function encodeFrame(
  message: Uint8Array,
  { end }: { readonly end: boolean },
): readonly Uint8Array[] {
  const { length } = message;
  if (!isCopied(message)) {
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

/** Where a message of that length shall be put; undefined: wherever there is room. */
export type MessageMemory = (lengthBytes: number) => Uint8Array | undefined;

/**
 * Cuts what arrives into frames. Every message is put together where it stays, and copied once at most: the memory for all of
 * it is taken when its length is known (the system gives pages only to what is written), and whoever reads the carrier
 * may let the system write into it directly (`room`, `filled`).
 */
export class FrameReader {
  readonly #messageBytesMax: number;
  readonly #memory: MessageMemory;
  readonly #header = new Uint8Array(HEADER_BYTES);
  #headerBytes = 0;
  /** The one that is coming, of which the first bytes are there. */
  #message: Uint8Array | undefined;
  #messageBytes = 0;

  constructor(messageBytesMax: number, memory: MessageMemory = () => undefined) {
    this.#messageBytesMax = messageBytesMax;
    this.#memory = memory;
  }

  /** Of the message that is coming; none between messages. */
  get comingBytes(): number {
    return this.#message?.length ?? 0;
  }

  /** What is missing of the message that is coming; undefined between messages. */
  get room(): Uint8Array | undefined {
    return this.#message?.subarray(this.#messageBytes);
  }

  /** So many bytes have come, and lie at the beginning of `room`. */
  filled(bytes: number, onFrame: (frame: Frame) => void): void {
    this.#messageBytes += bytes;
    const message = this.#message;
    if (!message || this.#messageBytes < message.length) return;
    this.#message = undefined;
    this.#messageBytes = 0;
    onFrame(message);
  }

  /**
   * Keeps nothing of the piece: its memory may be used again. Throws a RangeError when the other side announces a message over
   * the limit.
   */
  push(piece: Uint8Array, onFrame: (frame: Frame) => void): void {
    for (let offset = 0; offset < piece.length; ) {
      const message = this.#message;
      if (message) {
        const part = piece.subarray(offset, offset + message.length - this.#messageBytes);
        message.set(part, this.#messageBytes);
        offset += part.length;
        this.filled(part.length, onFrame);
      } else {
        this.#header[this.#headerBytes++] = piece[offset++] ?? 0;
        if (this.#headerBytes === HEADER_BYTES) this.#begin(onFrame);
      }
    }
  }

  #begin(onFrame: (frame: Frame) => void): void {
    const [a = 0, b = 0, c = 0, d = 0] = this.#header;
    const length = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
    this.#headerBytes = 0;
    if (length === END_LENGTH) {
      onFrame(END);
      return;
    }
    if (length > this.#messageBytesMax) {
      throw new RangeError(`a message of ${length} bytes, over the limit`);
    }
    this.#message = this.#memory(length) ?? Buffer.allocUnsafe(length);
    this.filled(0, onFrame);
  }
}
