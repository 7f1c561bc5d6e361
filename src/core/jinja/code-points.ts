import { spend } from "./limits.ts";

// Python counts code points, JavaScript halves of some. The texts that were counted last are remembered: loops ask for one
// character after the other.

interface Counted {
  readonly text: string;
  readonly points: readonly string[] | undefined;
}

const REMEMBERED_MAX = 4;
const SHORT = 64;
/** Characters that are compared in the time of a step, or more. */
const LONG = 1000;
let remembered: readonly Counted[] = [];

/** Its characters, where they are not the same as its units. */
export function pointsOf(text: string): readonly string[] | undefined {
  if (text.length <= SHORT) return pointsIn(text);
  spend(text.length / LONG);
  const known = remembered.find((one) => one.text === text);
  if (known) return known.points;
  const points = pointsIn(text);
  spend(points ? text.length : text.length / SHORT);
  remembered = [{ text, points }, ...remembered.slice(0, REMEMBERED_MAX - 1)];
  return points;
}

function pointsIn(text: string): readonly string[] | undefined {
  return /[\ud800-\udfff]/.test(text) ? [...text] : undefined;
}

export function lengthOf(text: string): number {
  return pointsOf(text)?.length ?? text.length;
}

/** From and to a place, as Array.slice has it. */
export function sliced(text: string, from: number, to: number): string {
  const points = pointsOf(text);
  return points ? points.slice(from, to).join("") : text.slice(from, to);
}

/** The place in code points of a place in units. */
export function placeOf(text: string, unit: number): number {
  return unit < 0 || !pointsOf(text) ? unit : lengthOf(text.slice(0, unit));
}
