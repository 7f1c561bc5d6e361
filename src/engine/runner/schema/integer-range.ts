import {
  characters,
  choice,
  EMPTY,
  type Expression,
  NOTHING,
  repetition,
  sequence,
  text,
} from "./gbnf.ts";

/** So many digits has a number whose bounds allow it, so that it ends. */
export const DIGITS_MAX = 16;
export const DIGIT = characters("[0-9]");

export interface IntegerRange {
  readonly least: bigint | undefined;
  readonly most: bigint | undefined;
}

/** The integers of the range in decimal, without leading zeros or a negative zero. */
export function integerGrammar({ least, most }: IntegerRange): Expression {
  if (least === undefined && most === undefined) {
    return choice(text("0"), sequence(repetition(text("-"), 0, 1), upFrom(1n)));
  }
  const negative = mirrored({ least, most });
  return choice(
    negative === undefined ? NOTHING : sequence(text("-"), negative),
    naturalGrammar(least !== undefined && least > 0n ? least : 0n, most),
  );
}

/** The range's negative numbers without their sign. */
function mirrored({ least, most }: IntegerRange): Expression | undefined {
  if (least !== undefined && least >= 0n) return undefined;
  const nearest = most !== undefined && most < 0n ? -most : 1n;
  return naturalGrammar(nearest, least === undefined ? undefined : -least);
}

/** The integers from `least`, which is not negative, to `most`. */
export function naturalGrammar(least: bigint, most: bigint | undefined): Expression {
  if (most === undefined) return upFrom(least);
  if (most < least) return NOTHING;
  const [low, high] = [String(least), String(most)];
  if (low.length === high.length) return between(low, high);
  const middle =
    high.length - low.length > 1
      ? sequence(characters("[1-9]"), digits(low.length, high.length - 2))
      : NOTHING;
  return choice(
    between(low, "9".repeat(low.length)),
    middle,
    between(`1${"0".repeat(high.length - 1)}`, high),
  );
}

/** Up to the largest number with as many digits as are allowed; one more than `least` has, if that has more. */
function upFrom(least: bigint): Expression {
  if (least === 1n) return sequence(characters("[1-9]"), digits(0, DIGITS_MAX - 1));
  if (least === 0n) return choice(text("0"), upFrom(1n));
  const length = String(least).length;
  return naturalGrammar(least, 10n ** BigInt(Math.max(DIGITS_MAX, length + 1)) - 1n);
}

/** Of two numbers of the same length: digit by digit while they agree; then all between is free, and each end bound on. */
function between(low: string, high: string): Expression {
  const same = commonLength(low, high);
  if (same === low.length) return text(low);
  const rest = low.length - same - 1;
  const [from = 0, to = 0] = [low, high].map((number) => Number(number[same]));
  const isLowFree = /^0*$/.test(low.slice(same + 1));
  const isHighFree = /^9*$/.test(high.slice(same + 1));
  const [first, last] = [isLowFree ? from : from + 1, isHighFree ? to : to - 1];
  return sequence(
    text(low.slice(0, same)),
    choice(
      ...(isLowFree ? [] : [sequence(text(`${from}`), atLeast(low.slice(same + 1)))]),
      ...(first > last ? [] : [sequence(digitFrom(first, last), digits(rest, rest))]),
      ...(isHighFree ? [] : [sequence(text(`${to}`), atMost(high.slice(same + 1)))]),
    ),
  );
}

function commonLength(low: string, high: string): number {
  let length = 0;
  while (length < low.length && low[length] === high[length]) length++;
  return length;
}

/** Numbers of that length and no less: from the last digit to the first, so that nothing recurses. */
function atLeast(low: string): Expression {
  let all: Expression = EMPTY;
  for (let at = low.length - 1; at >= 0; at--) {
    const digit = Number(low[at]);
    const rest = low.length - at - 1;
    const above = digit < 9 ? sequence(digitFrom(digit + 1, 9), digits(rest, rest)) : NOTHING;
    all = eitherOf(sequence(text(`${digit}`), all), above);
  }
  return all;
}

function atMost(high: string): Expression {
  let all: Expression = EMPTY;
  for (let at = high.length - 1; at >= 0; at--) {
    const digit = Number(high[at]);
    const rest = high.length - at - 1;
    const below = digit > 0 ? sequence(digitFrom(0, digit - 1), digits(rest, rest)) : NOTHING;
    all = eitherOf(sequence(text(`${digit}`), all), below);
  }
  return all;
}

function eitherOf(one: Expression, other: Expression): Expression {
  return other === NOTHING ? one : choice(one, other);
}

function digitFrom(first: number, last: number): Expression {
  if (first === last) return text(`${first}`);
  return characters(`[${first}-${last}]`);
}

export function digits(least: number, most: number): Expression {
  return repetition(DIGIT, least, most);
}
