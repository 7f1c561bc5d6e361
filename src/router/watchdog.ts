import type { ManifestDigest } from "../core/digest.ts";

/**
 * How long to wait for a model's next event before it counts as stalled. A frozen node is worse than a dead one: its
 * connection looks alive.
 *
 * For each model we learn mean and mean deviation of the time to the first token and of the time between tokens, as TCP
 * learns its round trip (Jacobson 1988, RFC 6298: gains 1/8 and 1/4), and wait mean + 8 deviations, at least a floor. While
 * a node says that it is loading, also a long prompt, or that the request waits in its queue, the longer limit for loading holds.
 */
export interface StallLimits {
  readonly firstTokenFloorMs: number;
  readonly nextTokenFloorMs: number;
  readonly waitingMs: number;
  /** Of a model that we have not seen answer yet. */
  readonly unknownMs: number;
}

export const STALL_LIMITS: StallLimits = {
  firstTokenFloorMs: 10_000,
  nextTokenFloorMs: 3_000,
  waitingMs: 330_000,
  unknownMs: 60_000,
};

const MEAN_GAIN = 1 / 8;
const DEVIATION_GAIN = 1 / 4;
const DEVIATIONS = 8;
const MODELS_MAX = 1_000;

export type Phase = "waiting" | "first token" | "next token";

interface Estimate {
  readonly meanMs: number;
  readonly deviationMs: number;
}

export class Watchdog {
  readonly #limits: StallLimits;
  readonly #estimates = new Map<string, Estimate>();

  constructor(limits: StallLimits = STALL_LIMITS) {
    this.#limits = limits;
  }

  limitMs(model: ManifestDigest, phase: Phase): number {
    if (phase === "waiting") return this.#limits.waitingMs;
    const estimate = this.#estimates.get(keyOf(model, phase));
    if (!estimate) return this.#limits.unknownMs;
    const floorMs =
      phase === "first token" ? this.#limits.firstTokenFloorMs : this.#limits.nextTokenFloorMs;
    return Math.max(floorMs, estimate.meanMs + DEVIATIONS * estimate.deviationMs);
  }

  learn(model: ManifestDigest, phase: Exclude<Phase, "waiting">, tookMs: number): void {
    const key = keyOf(model, phase);
    const before = this.#estimates.get(key);
    this.#estimates.delete(key); // The one not heard of for longest is forgotten first.
    if (this.#estimates.size >= MODELS_MAX) {
      const [oldest] = this.#estimates.keys();
      if (oldest !== undefined) this.#estimates.delete(oldest);
    }
    this.#estimates.set(
      key,
      before ? next(before, tookMs) : { meanMs: tookMs, deviationMs: tookMs / 2 },
    );
  }
}

function next({ meanMs, deviationMs }: Estimate, tookMs: number): Estimate {
  const error = tookMs - meanMs;
  return {
    meanMs: meanMs + MEAN_GAIN * error,
    deviationMs: deviationMs + DEVIATION_GAIN * (Math.abs(error) - deviationMs),
  };
}

function keyOf(model: ManifestDigest, phase: Phase): string {
  return `${model} ${phase}`;
}
