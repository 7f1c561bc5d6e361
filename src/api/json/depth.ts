import { isRecord } from "./decode.ts";

/** What is passed on is written again, and beyond some thousands JSON.stringify runs out of stack. */
const DEPTH_MAX = 512;

/** True of a value whose lists and objects stand too deep inside each other. Walks without recursion. */
export function isTooDeep(value: unknown): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    const inner: unknown[] = [];
    for (const item of level) {
      if (Array.isArray(item)) for (const part of item) inner.push(part);
      else if (isRecord(item)) for (const part of Object.values(item)) inner.push(part);
      else continue;
      if (depth === DEPTH_MAX) return true;
    }
    level = inner;
  }
  return false;
}
