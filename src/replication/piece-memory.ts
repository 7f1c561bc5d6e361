import { type BlobId, pieceRange } from "../core/pieces.ts";

/**
 * Memory for pieces that come one after the other in messages, as `PeerStream.putInto` asks for it: each message lies right
 * behind the one before it. A piece's memory is taken when its first byte is announced, or when somebody asks for it.
 */
export class PieceMemory {
  readonly #sizes: readonly number[];
  readonly #take: (sizeBytes: number) => Uint8Array;
  readonly #taken = new Map<number, Uint8Array>();
  /** Where the next message belongs: in which of the pieces, and how far in it. */
  #index = 0;
  #offset = 0;

  constructor(
    blob: Pick<BlobId, "sizeBytes">,
    pieces: readonly number[],
    take: (sizeBytes: number) => Uint8Array = Buffer.allocUnsafe,
  ) {
    this.#sizes = pieces.map((piece) => {
      const { start, end } = pieceRange(blob, piece);
      return end - start;
    });
    this.#take = take;
  }

  /** So many bytes come to lie elsewhere. */
  skip(bytes: number): void {
    this.#offset += bytes;
    while (this.#index < this.#sizes.length && this.#offset >= this.#size(this.#index)) {
      this.#offset -= this.#size(this.#index++);
    }
  }

  /** Undefined for a message that does not belong here: there are no more pieces, or it holds bytes of two. */
  place(lengthBytes: number): Uint8Array | undefined {
    const start = this.#offset;
    const index = this.#index;
    const fits = index < this.#sizes.length && start + lengthBytes <= this.#size(index);
    this.skip(lengthBytes);
    return fits ? this.of(index).subarray(start, start + lengthBytes) : undefined;
  }

  /** All of one, counted from the first that comes. */
  of(index: number): Uint8Array {
    const bytes = this.#taken.get(index) ?? this.#take(this.#size(index));
    this.#taken.set(index, bytes);
    return bytes;
  }

  /** It is somebody else's from now on. */
  leave(index: number): void {
    this.#taken.delete(index);
  }

  #size(index: number): number {
    return this.#sizes[index] ?? 0;
  }
}
