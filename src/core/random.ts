import { randomInt } from "node:crypto";

/** The only source of chance. Tests and simulations pass a seeded one. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
}

const RANDOM_STEPS = 2 ** 47;

export const systemRandom: Random = { next: () => randomInt(RANDOM_STEPS) / RANDOM_STEPS };

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
