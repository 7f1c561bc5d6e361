/** Clients choose seeds from all of 64 bits, signed or not, which JSON's numbers do not hold: one that is beyond becomes another. */
const SEED_MAX = 2 ** 64;

/** Undefined: no integer of 64 bits. */
export function seedOf(value: unknown): number | undefined {
  if (typeof value !== "number" || !Number.isInteger(value)) return undefined;
  if (Number.isSafeInteger(value)) return value;
  return Math.abs(value) > SEED_MAX ? undefined : value % Number.MAX_SAFE_INTEGER;
}
