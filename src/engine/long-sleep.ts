import type { Clock } from "../core/clock.ts";

/** A timer longer than 2^31 ms would fire at once. */
const SLEEP_MS_MAX = 24 * 60 * 60 * 1_000;

/** Sleeps for any time, also for ever (Infinity): then only the signal ends it. */
export async function longSleep(
  clock: Pick<Clock, "sleep">,
  durationMs: number,
  signal: AbortSignal,
): Promise<void> {
  for (let leftMs = durationMs; leftMs > 0; leftMs -= SLEEP_MS_MAX) {
    await clock.sleep(Math.min(leftMs, SLEEP_MS_MAX), signal);
  }
}
