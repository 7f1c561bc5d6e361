/** The only source of time. Tests pass a ManualClock. */
export interface Clock {
  /** Monotonic, in milliseconds: for durations and deadlines. Never compare it with another node's. */
  nowMs(): number;
  /** The wall clock, in milliseconds since 1970: for what people read, never for a decision. */
  wallMs(): number;
  /** Rejects with the signal's reason when it aborts first. */
  sleep(durationMs: number, signal: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  // Not the one of node:timers/promises: what that makes to say that it was aborted costs more than the timer.
  sleep: (durationMs, signal) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const onAbort = (): void => {
        clearTimeout(timer);
        reject(signal.reason);
      };
      const timer = setTimeout(() => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      }, durationMs);
      signal.addEventListener("abort", onAbort, { once: true });
    }),
};
