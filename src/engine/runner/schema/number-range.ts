import {
  characters,
  choice,
  type Expression,
  NOTHING,
  optional,
  repetition,
  sequence,
  text,
} from "./gbnf.ts";
import { digits, naturalGrammar } from "./integer-range.ts";

export const FRACTION_DIGITS_MAX = 15;

export interface Bound {
  readonly value: number;
  readonly isExclusive: boolean;
}

/** Undefined where there is no bound. */
export interface NumberRange {
  readonly least: Bound | undefined;
  readonly most: Bound | undefined;
}

/** A bound among integers, of numbers that are not negative. */
interface WholeBound {
  readonly value: bigint;
  readonly isExclusive: boolean;
}

/**
 * Decimal numbers of the range, without exponents. Bounds that are no integers are widened to the next that are: exact
 * fractions would take a grammar for each of their digits.
 */
export function numberGrammar({ least, most }: NumberRange): Expression {
  const [low, high] = [wholeBound(least, Math.floor), wholeBound(most, Math.ceil)];
  const negative =
    low !== undefined && low.value >= 0n
      ? NOTHING
      : magnitudes(
          high !== undefined && high.value < 0n ? negated(high) : { value: 0n, isExclusive: true },
          low && negated(low),
        );
  const positive = magnitudes(
    low !== undefined && low.value >= 0n ? low : { value: 0n, isExclusive: false },
    high,
  );
  return choice(positive, sequence(text("-"), negative));
}

function wholeBound(
  bound: Bound | undefined,
  widen: (value: number) => number,
): WholeBound | undefined {
  if (bound === undefined) return undefined;
  const whole = widen(bound.value);
  return { value: BigInt(whole), isExclusive: bound.isExclusive && whole === bound.value };
}

function negated({ value, isExclusive }: WholeBound): WholeBound {
  return { value: -value, isExclusive };
}

/** From a number that is not negative: its fractions, all between, and the last one, which has none. */
function magnitudes(least: WholeBound, most: WholeBound | undefined): Expression {
  if (most !== undefined && most.value < least.value) return NOTHING;
  if (most !== undefined && most.value === least.value) {
    return least.isExclusive || most.isExclusive ? NOTHING : whole(most.value);
  }
  const first = least.isExclusive
    ? sequence(text(`${least.value}.`), SOME_FRACTION)
    : sequence(text(`${least.value}`), ANY_FRACTION);
  const last = most === undefined || most.isExclusive ? NOTHING : whole(most.value);
  const between = naturalGrammar(least.value + 1n, most && most.value - 1n);
  return choice(first, sequence(between, ANY_FRACTION), last);
}

function whole(value: bigint): Expression {
  return sequence(text(`${value}`), optional(sequence(text("."), repetition(text("0"), 1, 2))));
}

const ANY_FRACTION = optional(sequence(text("."), digits(1, FRACTION_DIGITS_MAX)));
/** With a digit that is not zero. */
const SOME_FRACTION = sequence(
  repetition(text("0"), 0, FRACTION_DIGITS_MAX - 1),
  characters("[1-9]"),
  digits(0, FRACTION_DIGITS_MAX),
);
