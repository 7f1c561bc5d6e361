import { setImmediate } from "node:timers/promises";
import type { Clock } from "../core/clock.ts";

/**
 * The answer, or `onSilence`'s error when none has come in time. An answer that has arrived while this process was busy
 * counts: timers run before the network is looked at.
 */
export async function answered<T>(
  answer: Promise<T>,
  wait: { readonly clock: Clock; readonly timeoutMs: number; readonly onSilence: () => Error },
): Promise<T> {
  const settled = new AbortController();
  const silence = wait.clock.sleep(wait.timeoutMs, settled.signal).then(async () => {
    await setImmediate();
    throw wait.onSilence();
  });
  silence.catch(() => {});
  try {
    return await Promise.race([answer, silence]);
  } finally {
    settled.abort();
  }
}
