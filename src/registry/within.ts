import type { Clock } from "../core/clock.ts";

/** Calls the action with a signal that aborts when the time is over or `outer` aborts; waits for the action in any case. */
export async function within<T>(
  clock: Clock,
  durationMs: number,
  outer: AbortSignal,
  action: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  const settled = new AbortController();
  const alarm = clock.sleep(durationMs, AbortSignal.any([outer, settled.signal])).then(
    () => over.abort(new DOMException(`took longer than ${durationMs} ms`, "TimeoutError")),
    () => {},
  );
  try {
    return await action(AbortSignal.any([outer, over.signal]));
  } finally {
    settled.abort();
    await alarm;
  }
}
