import { Worker } from "node:worker_threads";
import type { Waiting } from "../core/ports.ts";

/** It needs a tenth of it. */
const OLD_GENERATION_MB_MAX = 32;

/** The SHA-256 of a file while its beginning grows, in a thread of its own: it is ready soon after the file is. */
export class PrefixHash implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #result = Promise.withResolvers<string>();
  #isAsked = false;

  private constructor(worker: Worker) {
    this.#worker = worker;
    this.#result.promise.catch(() => {}); // Whoever wants the digest gets the error; before that nobody does.
    worker.on("message", (digest: string) => this.#result.resolve(digest));
    worker.on("error", (error) => this.#result.reject(error));
    worker.on("exit", () => this.#result.reject(new Error("the thread that hashes has ended")));
  }

  static open(file: string): PrefixHash {
    const worker = new Worker(new URL("./prefix-hash-worker.ts", import.meta.url), {
      workerData: file,
      execArgv: [], // Those of this process may be for its own script alone.
      resourceLimits: { maxOldGenerationSizeMb: OLD_GENERATION_MB_MAX },
    });
    return new PrefixHash(worker);
  }

  /** From the start up to here nothing will change any more. */
  advance(endBytes: number): void {
    this.#worker.postMessage(endBytes);
  }

  /** Of what `advance` told last. */
  async digest({ signal }: Waiting): Promise<string> {
    signal.throwIfAborted();
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void => aborted.reject(signal.reason);
    signal.addEventListener("abort", onAbort);
    if (!this.#isAsked) this.#worker.postMessage(null);
    this.#isAsked = true;
    try {
      return await Promise.race([this.#result.promise, aborted.promise]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }
}
