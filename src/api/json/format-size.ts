import { InferenceError } from "../../core/errors.ts";
import type { JsonFormat } from "../../core/inference.ts";

/**
 * A grammar of ten times as many takes llama.cpp so long that its runner counts as stuck: it is killed with all the answers
 * that it gives, and the router tries the next one's.
 */
export const FORMAT_VALUES_MAX = 10_000;

/** Throws of a schema that no runner can make a grammar of in time. */
export function checkFormatSize(format: JsonFormat | undefined): void {
  if (format === undefined || format === "json" || !isLarge(format)) return;
  throw new InferenceError(
    "INVALID_OPTION",
    `invalid format: the schema is too large, at most ${FORMAT_VALUES_MAX} values are accepted`,
  );
}

/** Walks without recursion, and no further than it must. */
function isLarge(format: object): boolean {
  const left: unknown[] = [format];
  for (let count = 0; left.length > 0; count++) {
    if (count > FORMAT_VALUES_MAX) return true;
    const value = left.pop();
    if (typeof value !== "object" || value === null) continue;
    const inner = Object.values(value);
    if (inner.length > FORMAT_VALUES_MAX) return true;
    left.push(...inner);
  }
  return false;
}
