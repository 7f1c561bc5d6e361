export interface BufferPoolOptions {
  readonly bufferBytes: number;
  /** So many are kept for the next use; what comes back beyond that is let go. */
  readonly keptMax: number;
  readonly make: (bytes: number) => ArrayBufferLike;
}

/**
 * Memory that is used again. Taken anew for each part of a blob, it makes the garbage collector the most expensive part of a
 * copy: V8 marks the whole heap for every twenty megabytes of fresh buffers, and the system clears every page.
 */
export class BufferPool {
  readonly #options: BufferPoolOptions;
  readonly #free = new Set<ArrayBufferLike>();

  constructor(options: BufferPoolOptions) {
    this.#options = options;
  }

  take(sizeBytes: number): Uint8Array {
    const { bufferBytes, make } = this.#options;
    if (sizeBytes > bufferBytes) {
      throw new Error(`${sizeBytes} bytes are more than a buffer's ${bufferBytes}`);
    }
    const [free] = this.#free;
    if (free) this.#free.delete(free);
    return new Uint8Array(free ?? make(bufferBytes), 0, sizeBytes);
  }

  /** Nobody uses any of it any more. Memory from elsewhere is let go. */
  give({ buffer }: Uint8Array): void {
    const { bufferBytes, keptMax } = this.#options;
    if (buffer.byteLength === bufferBytes && this.#free.size < keptMax) this.#free.add(buffer);
  }
}
