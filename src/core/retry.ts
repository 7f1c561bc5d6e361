import type { Clock } from "./clock.ts";
import { jittered, type Random } from "./random.ts";

export interface BackoffOptions {
  readonly firstMs: number;
  readonly maxMs: number;
  /** Give up after this many tries; unset: only the signal ends it. */
  readonly triesMax?: number;
}

/** The pause before try `attempt` + 1 (the first try is attempt 1), doubled each time, ± 20 % by chance. */
export function backoffMs(options: BackoffOptions, attempt: number, random: Random): number {
  const exponent = Math.min(attempt - 1, 30);
  return jittered(random, Math.min(options.maxMs, options.firstMs * 2 ** exponent), 0.2);
}

/** Calls `action` until it succeeds, the tries are used up (then its last error), or the signal aborts. */
export async function retry<T>(
  action: (attempt: number) => Promise<T>,
  options: BackoffOptions,
  deps: {
    readonly clock: Clock;
    readonly random: Random;
    readonly signal: AbortSignal;
    readonly onFailure?: (error: unknown, attempt: number, pauseMs: number) => void;
  },
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    deps.signal.throwIfAborted();
    try {
      return await action(attempt);
    } catch (error) {
      if (attempt === options.triesMax || deps.signal.aborted) throw error;
      const pauseMs = backoffMs(options, attempt, deps.random);
      deps.onFailure?.(error, attempt, pauseMs);
      await deps.clock.sleep(pauseMs, deps.signal);
    }
  }
}
