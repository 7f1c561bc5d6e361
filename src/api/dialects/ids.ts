import type { Random } from "../../core/random.ts";

const ID_LENGTH = 24;
const HEX = "0123456789abcdef";

/** A prefix and 24 hex digits. */
export function newId(prefix: string, random: Random): string {
  let id = prefix;
  for (let digit = 0; digit < ID_LENGTH; digit++) id += HEX[Math.floor(random.next() * HEX.length)];
  return id;
}
