import type { Clock } from "../../core/clock.ts";
import type { Waiting } from "../../core/ports.ts";

/**
 * The items, and the last one again whenever the next is long in coming: peers and clients take a long silence for an end.
 * Whoever leaves meanwhile aborts what makes the items.
 */
export async function* reminded<T>(
  items: (o: Waiting) => AsyncIterable<T>,
  intervalMs: number,
  { clock, signal }: Waiting & { readonly clock: Pick<Clock, "sleep"> },
): AsyncGenerator<T, void> {
  const leaving = new AbortController();
  const making = { signal: AbortSignal.any([signal, leaving.signal]) };
  const iterator = items(making)[Symbol.asyncIterator]();
  let next = iterator.next();
  try {
    for (let last: IteratorYieldResult<T> | undefined; ; ) {
      const nap = new AbortController();
      const slept = clock.sleep(intervalMs, nap.signal).then(
        () => last,
        () => last,
      );
      const result = await Promise.race([next, slept]).finally(() => nap.abort());
      if (result?.done) return;
      if (result && result !== last) {
        last = result;
        next = iterator.next();
      }
      if (last) yield last.value;
    }
  } finally {
    leaving.abort();
    next.catch(() => {}); // Nobody is left to hear of it.
    await iterator.return?.();
  }
}
