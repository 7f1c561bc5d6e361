import { randomInt } from "node:crypto";

/** The only source of chance. Tests and simulations pass a seeded one. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
}

const RANDOM_STEPS = 2 ** 47;

export const systemRandom: Random = { next: () => randomInt(RANDOM_STEPS) / RANDOM_STEPS };

/** Mulberry32 (Tommy Ettinger, public domain), with 32 bits of state: the same seed gives the same run. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return {
    next: () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
    },
  };
}

/** One of the items, each as likely as the others; undefined of none. */
export function pick<T>(random: Random, items: readonly T[]): T | undefined {
  return items[Math.floor(random.next() * items.length)];
}

/** `count` different items in random order (all of them when there are fewer). */
export function sample<T>(random: Random, items: readonly T[], count: number): T[] {
  const rest = [...items];
  const taken: T[] = [];
  while (taken.length < count && rest.length > 0) {
    const index = Math.floor(random.next() * rest.length);
    taken.push(...rest.splice(index, 1));
  }
  return taken;
}

/** The duration, up to `share` longer or shorter, so that many nodes do not act at the same moment. */
export function jittered(random: Random, durationMs: number, share: number): number {
  return durationMs * (1 + share * (2 * random.next() - 1));
}
