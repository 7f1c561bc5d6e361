/** Lets many wait for one thing to change. */
export class Changes {
  #next = Promise.withResolvers<void>();

  notify(): void {
    this.#next.resolve();
    this.#next = Promise.withResolvers();
  }

  /** Resolves with the first change from now on; rejects with the signal's reason when it aborts first. */
  async next({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    await unlessAborted(this.#next.promise, signal);
  }
}

/** What the promise gives, or the signal's reason thrown as soon as it aborts. The promise goes on by itself, unwatched. */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  promise.catch(() => {});
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
