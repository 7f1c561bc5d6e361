import { Worker } from "node:worker_threads";
import { PIECE_BYTES } from "../core/pieces.ts";
import { BufferPool } from "./buffer-pool.ts";

/** It needs a tenth of it. */
const OLD_GENERATION_MB_MAX = 32;
/** As many as are ever in use at once, or nearly: see REQUESTS_MAX of Swarm. */
const BUFFERS_KEPT_MAX = 8;

/** Memory for pieces that arrive, and a thread that hashes them in it: both share the memory, so nothing is copied. */
export class PieceHasher implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #memory = new BufferPool({
    bufferBytes: PIECE_BYTES,
    keptMax: BUFFERS_KEPT_MAX,
    make: (bytes) => new SharedArrayBuffer(bytes),
  });
  /** In the order in which they were sent. */
  readonly #waiting: PromiseWithResolvers<Uint8Array>[] = [];
  #failure: Error | undefined;

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.on("message", (hash: Uint8Array) => this.#waiting.shift()?.resolve(hash));
    worker.on("error", (error: Error) => this.#fail(error));
    worker.on("exit", () => this.#fail(new Error("the thread that hashes pieces has ended")));
  }

  static open(): PieceHasher {
    const worker = new Worker(new URL("./piece-hasher-worker.ts", import.meta.url), {
      execArgv: [], // Those of this process may be for its own script alone.
      resourceLimits: { maxOldGenerationSizeMb: OLD_GENERATION_MB_MAX },
    });
    return new PieceHasher(worker);
  }

  take(sizeBytes: number): Uint8Array {
    return this.#memory.take(sizeBytes);
  }

  /** Nobody uses it any more. */
  give(bytes: Uint8Array): void {
    this.#memory.give(bytes);
  }

  hash(bytes: Uint8Array): Promise<Uint8Array> {
    if (this.#failure) return Promise.reject(this.#failure);
    const waiting = Promise.withResolvers<Uint8Array>();
    this.#waiting.push(waiting);
    this.#worker.postMessage(bytes);
    return waiting.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}
