/**
 * Lets something come between the batches of a context.
 *
 * node-llama-cpp 3.22 holds the context's lock for as long as another token is asked for when a batch ends, which is always
 * when several answers take long over a token (a grammar does): whoever must have the lock, to forget a part of a
 * sequence, would wait until the answers have ended. So those ask here before each token, and wait while somebody wants it.
 */
export class Pauses {
  #wanted = 0;
  #over: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;

  /** Runs the action while nobody asks for another token. */
  async during<T>(action: () => Promise<T>): Promise<T> {
    this.#wanted++;
    this.#over ??= Promise.withResolvers<void>();
    try {
      return await action();
    } finally {
      this.#wanted--;
      if (this.#wanted === 0) {
        this.#over.resolve();
        this.#over = undefined;
      }
    }
  }

  /** What to wait for before the next token; usually nothing. */
  get now(): Promise<void> | undefined {
    return this.#over?.promise;
  }
}
