const DIGITS_MIN = 6;
/** Nine tell any two floats of 32 bits apart. */
const DIGITS_MAX = 9;
/** Doubles hold these powers of ten exactly, and no larger ones. */
const POWERS: readonly number[] = Array.from({ length: 23 }, (_, power) => Number(`1e${power}`));

/** The shortest decimal that is this number as a 32-bit float, as Go prints one: 0.00001 and not 0.000009999999747378752. */
export function shortestFloat32(value: number): number {
  const float = Math.fround(value);
  if (float === 0 || !Number.isFinite(float)) return float;
  const magnitude = Math.floor(Math.log10(Math.abs(float)));
  for (let digits = DIGITS_MIN; digits <= DIGITS_MAX; digits++) {
    const short = rounded(float, digits, digits - 1 - magnitude);
    if (Math.fround(short) === float) return short;
  }
  return float;
}

/** Multiplied, rounded and divided where that is exact, since vectors have many numbers and texts take several times as long. */
function rounded(float: number, digits: number, decimals: number): number {
  const power = POWERS[decimals];
  return power === undefined
    ? Number(float.toPrecision(digits))
    : Math.round(float * power) / power;
}
