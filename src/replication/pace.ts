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

/** What was not used of the last moment may be used in this one. */
const BURST_MS = 100;
const STEP_BYTES_MIN = 64 * 1024;

/**
 * How fast a node sends or takes pieces: a token bucket, kept as the time at which it will be full enough (GCRA, ITU-T I.371).
 * Inference comes first: while there is some, pieces go slowly and in small parts, between which the event loop is free.
 */
export class Pace {
  readonly #options: PaceOptions;
  readonly #deps: PaceDeps;
  #nextMs = 0;

  constructor(options: PaceOptions, deps: PaceDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** How many bytes to take at once; infinite when nothing holds them up. */
  stepBytes(): number {
    return Math.max(STEP_BYTES_MIN, (this.#bytesPerSecond() * BURST_MS) / 1_000);
  }

  /** Waits until so many bytes may go. */
  async take(bytes: number, { signal }: Waiting): Promise<void> {
    signal.throwIfAborted();
    const rate = this.#bytesPerSecond();
    if (rate === Number.POSITIVE_INFINITY) return;
    const nowMs = this.#deps.clock.nowMs();
    const startMs = Math.max(this.#nextMs, nowMs - BURST_MS);
    this.#nextMs = startMs + (bytes / rate) * 1_000;
    if (startMs > nowMs) await this.#deps.clock.sleep(startMs - nowMs, signal);
  }

  #bytesPerSecond(): number {
    const { bytesPerSecondMax = Number.POSITIVE_INFINITY, bytesPerSecondBusy } = this.#options;
    return this.#deps.isBusy()
      ? Math.min(bytesPerSecondMax, bytesPerSecondBusy)
      : bytesPerSecondMax;
  }
}
