import type { Clock } from "./clock.ts";

/** Runs the action with a signal that aborts when ours does, or after the time with the error that `onTimeout` makes. */
export async function withTimeout<T>(
  clock: Clock,
  options: {
    readonly timeoutMs: number;
    readonly signal: AbortSignal;
    readonly onTimeout: () => Error;
  },
  action: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const timeout = new AbortController();
  const done = new AbortController();
  const timer = clock.sleep(options.timeoutMs, done.signal).then(
    () => timeout.abort(options.onTimeout()),
    () => {},
  );
  try {
    return await action(AbortSignal.any([options.signal, timeout.signal]));
  } catch (error) {
    options.signal.throwIfAborted();
    timeout.signal.throwIfAborted();
    throw error;
  } finally {
    done.abort();
    await timer;
  }
}
