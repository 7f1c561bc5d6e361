import { failed } from "./errors.ts";

// Templates come from strangers. All that one does costs steps: a node, an item of a list, eight characters that are made.

export const SOURCE_CHARS_MAX = 1_048_576;
export const NESTING_MAX = 200;
export const CALLS_MAX = 200;
export const OUTPUT_CHARS_MAX = 64 * 1_048_576;
export const TEXT_CHARS_MAX = 64 * 1_048_576;
/** As Jinja2's sandbox has it. */
export const RANGE_LENGTH_MAX = 100_000;
const STEPS_MAX = 30_000_000;
const STEPS_PER_ITEM = 4;
const CHARS_PER_STEP = 8;

/** Of the template that is rendered: rendering is synchronous, and each function that makes a value would have to be given it. */
let stepsLeft = 0;

/** Runs it with steps of its own. */
export function limited<Result>(run: () => Result): Result {
  const outer = stepsLeft;
  stepsLeft = STEPS_MAX;
  try {
    return run();
  } finally {
    stepsLeft = outer;
  }
}

export function spend(steps: number): void {
  stepsLeft -= steps;
  if (stepsLeft < 0) throw failed("the template takes too many steps");
}

export function spendItems(count: number): void {
  spend(count * STEPS_PER_ITEM);
}

/** Before a text of this length is made, or looked through. */
export function spendChars(count: number): void {
  if (count > TEXT_CHARS_MAX) throw failed("the template makes a text that is too long");
  spend(count / CHARS_PER_STEP);
}
