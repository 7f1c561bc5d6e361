import type { Clock } from "../core/clock.ts";
import type { Waiting } from "../core/ports.ts";

export interface PaceOptions {
  /** Unset: as fast as it goes. */
  readonly bytesPerSecondMax?: number;
  /** While this node answers questions. */
  readonly bytesPerSecondBusy: number;
}

export interface PaceDeps {
  readonly clock: Clock;
  /** Whether this node answers questions now, or somebody waits for it. */
  readonly isBusy: () => boolean;
}

/** What was not used of the last moment may be used in this one: little beside requests, which a burst would hold up. */
const BURST_MS = { idle: 100, busy: 10 } as const;
const STEP_BYTES_MIN = 64 * 1024;
/** One request often follows another: a copy at full speed in between would still be under way when it comes. */
const CALM_AFTER_MS = 1_000;

/**
 * How fast a node sends or takes pieces: a token bucket, kept as the time at which it will be full enough (GCRA, ITU-T I.371).
 * Inference comes first: while there is some, pieces go slowly and in small parts, between which the event loop is free.
 */
export class Pace {
  readonly #options: PaceOptions;
  readonly #deps: PaceDeps;
  #nextMs = 0;
  #busyUntilMs = Number.NEGATIVE_INFINITY;

  constructor(options: PaceOptions, deps: PaceDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** How many bytes to take at once; infinite when nothing holds them up. */
  stepBytes(): number {
    const { bytesPerSecond, burstMs } = this.#limits();
    return Math.max(STEP_BYTES_MIN, (bytesPerSecond * burstMs) / 1_000);
  }

  /** Waits until so many bytes may go. */
  async take(bytes: number, { signal }: Waiting): Promise<void> {
    signal.throwIfAborted();
    const { bytesPerSecond, burstMs } = this.#limits();
    if (bytesPerSecond === Number.POSITIVE_INFINITY) return;
    const nowMs = this.#deps.clock.nowMs();
    const startMs = Math.max(this.#nextMs, nowMs - burstMs);
    this.#nextMs = startMs + (bytes / bytesPerSecond) * 1_000;
    if (startMs > nowMs) await this.#deps.clock.sleep(startMs - nowMs, signal);
  }

  #limits(): { readonly bytesPerSecond: number; readonly burstMs: number } {
    const { bytesPerSecondMax = Number.POSITIVE_INFINITY, bytesPerSecondBusy } = this.#options;
    const nowMs = this.#deps.clock.nowMs();
    if (this.#deps.isBusy()) this.#busyUntilMs = nowMs + CALM_AFTER_MS;
    return nowMs < this.#busyUntilMs
      ? {
          bytesPerSecond: Math.min(bytesPerSecondMax, bytesPerSecondBusy),
          burstMs: BURST_MS.busy,
        }
      : { bytesPerSecond: bytesPerSecondMax, burstMs: BURST_MS.idle };
  }
}
