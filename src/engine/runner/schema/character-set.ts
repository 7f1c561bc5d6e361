import { characters, choice, type Expression, NOTHING, text } from "./gbnf.ts";

/** Code points from the first to the last; a set has them in order, and no two that touch. */
export type Range = readonly [first: number, last: number];
export type CharacterSet = readonly Range[];

const LAST = 0x10ffff;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

export const EVERY: CharacterSet = [[0, LAST]];
export const DIGITS: CharacterSet = [[0x30, 0x39]];
export const WORD: CharacterSet = unionOf([
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
]);
/** What `\s` means in ECMAScript. */
export const SPACE: CharacterSet = unionOf([
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
]);
/** What `.` does not match. */
export const LINE_ENDS: CharacterSet = unionOf([
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
]);

/** What JSON has between quotes as it is. Half a surrogate pair is no character, and nobody means to write DEL. */
const PLAIN = complementOf(
  unionOf([
    [0, 0x1f],
    [QUOTE, QUOTE],
    [BACKSLASH, BACKSLASH],
    [0x7f, 0x7f],
    [0xd800, 0xdfff],
  ]),
);
const SHORT_ESCAPES: ReadonlyMap<number, string> = new Map([
  [QUOTE, '\\"'],
  [BACKSLASH, "\\\\"],
  [0x08, "\\b"],
  [0x0c, "\\f"],
  [0x0a, "\\n"],
  [0x0d, "\\r"],
  [0x09, "\\t"],
]);

export function single(codePoint: number): CharacterSet {
  return [[codePoint, codePoint]];
}

export function unionOf(ranges: readonly Range[]): CharacterSet {
  const union: [number, number][] = [];
  for (const [first, last] of ranges.toSorted(([a], [b]) => a - b)) {
    const before = union.at(-1);
    if (before && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else union.push([first, last]);
  }
  return union;
}

export function complementOf(set: CharacterSet): CharacterSet {
  const gaps: Range[] = [];
  let next = 0;
  for (const [first, last] of set) {
    if (next < first) gaps.push([next, first - 1]);
    next = last + 1;
  }
  return next <= LAST ? [...gaps, [next, LAST]] : gaps;
}

function intersectionOf(one: CharacterSet, other: CharacterSet): CharacterSet {
  return complementOf(unionOf([...complementOf(one), ...complementOf(other)]));
}

function includes(set: CharacterSet, codePoint: number): boolean {
  return set.some(([first, last]) => first <= codePoint && codePoint <= last);
}

/**
 * One of these characters as JSON writes it inside a string. Of control characters only those with a short escape, where
 * there is anything else to choose.
 */
export function inString(set: CharacterSet): Expression {
  const plain = intersectionOf(set, PLAIN);
  const [only, ...more] = plain;
  const options: Expression[] = [];
  if (only && more.length === 0 && only[0] === only[1]) {
    options.push(text(String.fromCodePoint(only[0])));
  } else if (only) {
    options.push(characters(`[${plain.map(printRange).join("")}]`));
  }
  for (const [codePoint, escaped] of SHORT_ESCAPES) {
    if (includes(set, codePoint)) options.push(text(escaped));
  }
  if (options.length > 0) return choice(...options);
  const controls = intersectionOf(set, [
    [0, 0x1f],
    [0x7f, 0x7f],
  ]);
  const [first] = controls;
  return first ? text(`\\u${hex(first[0], 4).toLowerCase()}`) : NOTHING;
}

/** All that a class of GBNF excludes or has, from characters. */
export function printSet(set: CharacterSet): string {
  return set.map(printRange).join("");
}

function printRange([first, last]: Range): string {
  return first === last
    ? printCharacter(first)
    : `${printCharacter(first)}-${printCharacter(last)}`;
}

function printCharacter(codePoint: number): string {
  if (includes(WORD, codePoint)) return String.fromCodePoint(codePoint);
  if (codePoint <= 0xff) return `\\x${hex(codePoint, 2)}`;
  return codePoint <= 0xffff ? `\\u${hex(codePoint, 4)}` : `\\U${hex(codePoint, 8)}`;
}

function hex(codePoint: number, digits: number): string {
  return codePoint.toString(16).padStart(digits, "0").toUpperCase();
}
