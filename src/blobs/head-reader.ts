import type { FileHandle } from "node:fs/promises";
import { GgufError } from "./errors.ts";
import { readFully } from "./read-fully.ts";

/** The largest vocabularies make headers of about 15 MB. */
const HEAD_BYTES_MAX = 256 * 1024 * 1024;
const CHUNK_BYTES = 256 * 1024;

/**
 * Walks forward through the head of a file, holding one chunk of it. `ensure` brings bytes in; the methods that take them
 * are synchronous, so that walking over a hundred thousand short strings stays cheap. Skipping reads nothing.
 */
export class HeadReader {
  readonly #handle: FileHandle;
  readonly #fileBytes: number;
  readonly #signal: AbortSignal;
  #chunk = Buffer.alloc(0);
  #chunkStart = 0;
  #position = 0;

  constructor(handle: FileHandle, fileBytes: number, signal: AbortSignal) {
    this.#handle = handle;
    this.#fileBytes = fileBytes;
    this.#signal = signal;
  }

  get position(): number {
    return this.#position;
  }

  /** Throws unless the file, and the head's maximum, leave room for so many more bytes: asked before anything is allocated. */
  expect(bytes: number): void {
    const end = this.#position + bytes;
    if (end > this.#fileBytes) {
      throw new GgufError(
        "TRUNCATED",
        `it ends inside its header (at byte ${this.#fileBytes}; ${end} are promised): it was cut off or damaged, copy or download it again`,
      );
    }
    if (end > HEAD_BYTES_MAX) {
      throw new GgufError(
        "TOO_LARGE",
        `its header is larger than ${HEAD_BYTES_MAX} bytes, which no model needs`,
      );
    }
  }

  has(bytes: number): boolean {
    const offset = this.#position - this.#chunkStart;
    return offset >= 0 && offset + bytes <= this.#chunk.length;
  }

  async ensure(bytes: number): Promise<void> {
    if (this.has(bytes)) return;
    this.expect(bytes);
    this.#signal.throwIfAborted();
    const wanted = Math.min(
      Math.max(bytes, CHUNK_BYTES),
      this.#fileBytes - this.#position,
      HEAD_BYTES_MAX - this.#position,
    );
    const chunk = Buffer.allocUnsafe(wanted);
    const filled = await readFully(this.#handle, chunk, this.#position);
    this.#chunk = chunk.subarray(0, filled);
    this.#chunkStart = this.#position;
    if (!this.has(bytes)) {
      throw new GgufError("TRUNCATED", "it became shorter while it was read");
    }
  }

  skip(bytes: number): void {
    this.expect(bytes);
    this.#position += bytes;
  }

  /** A view that is valid until the next `ensure`. The bytes must have been ensured. */
  take(bytes: number): Buffer {
    if (!this.has(bytes)) throw new Error("bytes taken that were not ensured");
    const start = this.#position - this.#chunkStart;
    this.#position += bytes;
    return this.#chunk.subarray(start, start + bytes);
  }

  async uint32(): Promise<number> {
    await this.ensure(4);
    return this.take(4).readUInt32LE();
  }

  /** A count or a size: anything beyond what a number holds exactly is refused. */
  async size(): Promise<number> {
    await this.ensure(8);
    return this.takeSize();
  }

  takeSize(): number {
    const size = Number(this.take(8).readBigUInt64LE());
    if (!Number.isSafeInteger(size)) {
      throw new GgufError("MALFORMED", `it claims a size of ${size} in its header`);
    }
    return size;
  }

  async string(bytesMax: number): Promise<string> {
    const bytes = await this.size();
    this.expect(bytes);
    if (bytes > bytesMax) {
      throw new GgufError(
        "TOO_LARGE",
        `it holds a text of ${bytes} bytes in its header where at most ${bytesMax} are allowed`,
      );
    }
    await this.ensure(bytes);
    return this.take(bytes).toString("utf8");
  }
}
