import { setTimeout as delay } from "node:timers/promises";

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
  sleep: async (durationMs, signal) => {
    await delay(durationMs, undefined, { signal });
  },
};
