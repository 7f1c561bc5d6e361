import type { Clock } from "../core/clock.ts";
import type { Waiting } from "../core/ports.ts";

/** Runs the action with a signal that aborts when ours does, or after the time with the error that `onTimeout` makes. */
export async function withTimeout<T>(
  clock: Clock,
  options: Waiting & { readonly timeoutMs: number; readonly onTimeout: () => Error },
  action: (o: Waiting) => Promise<T>,
): Promise<T> {
  const timeout = new AbortController();
  const done = new AbortController();
  const timer = clock.sleep(options.timeoutMs, done.signal).then(
    () => timeout.abort(options.onTimeout()),
    () => {},
  );
  try {
    return await action({ signal: AbortSignal.any([options.signal, timeout.signal]) });
  } catch (error) {
    options.signal.throwIfAborted();
    timeout.signal.throwIfAborted();
    throw error;
  } finally {
    done.abort();
    await timer;
  }
}
