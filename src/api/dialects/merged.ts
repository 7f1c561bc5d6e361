/** Starts a source; it ends when the signal aborts. */
export type Source<T> = (signal: AbortSignal) => AsyncIterable<T>;

interface Step<T> {
  readonly index: number;
  readonly iterator: AsyncIterator<T>;
  readonly result?: IteratorResult<T>;
  readonly failure?: { readonly reason: unknown };
}

/**
 * The values of several sources as they come, each with its source's place. At most `atOnceMax` sources run, and each is at
 * most one value ahead of the reader. The first failure, and a reader who leaves, end them all.
 */
export async function* merged<T>(
  sources: readonly Source<T>[],
  atOnceMax: number,
): AsyncGenerator<{ readonly index: number; readonly value: T }, undefined> {
  const waiting = sources.entries();
  const leave = new AbortController();
  const running = new Set<AsyncIterator<T>>();
  const steps: Step<T>[] = [];
  let wake = (): void => {};
  const ask = async (index: number, iterator: AsyncIterator<T>): Promise<void> => {
    try {
      steps.push({ index, iterator, result: await iterator.next() });
    } catch (reason) {
      steps.push({ index, iterator, failure: { reason } });
    }
    wake();
  };
  const start = (): void => {
    const { done, value } = waiting.next();
    if (done) return;
    const [index, source] = value;
    const iterator = source(leave.signal)[Symbol.asyncIterator]();
    running.add(iterator);
    void ask(index, iterator);
  };
  try {
    for (let started = 0; started < atOnceMax; started++) start();
    while (running.size > 0) {
      const step = steps.shift();
      if (!step) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      const { index, iterator, result, failure } = step;
      if (failure) throw failure.reason;
      if (!result || result.done) {
        running.delete(iterator);
        start();
        continue;
      }
      yield { index, value: result.value };
      void ask(index, iterator);
    }
  } finally {
    leave.abort(new DOMException("nobody reads on", "AbortError"));
    await Promise.all([...running].map((iterator) => iterator.return?.()));
  }
}
