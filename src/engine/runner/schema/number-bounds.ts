import type { IntegerRange } from "./integer-range.ts";
import type { Bound, NumberRange } from "./number-range.ts";
import { type Parts, type Schema, saidOf } from "./schema-parts.ts";

/** Numbers of so many digits and more are not written, unless a bound asks for them. */
const FAR = 1e16;

/** The narrowest bounds of the parts. Draft 4's exclusive ones, which are booleans, belong to the bound beside them. */
export function boundsOf(parts: Parts): NumberRange {
  const least = [
    ...parts.flatMap((part) => inclusive(part, "minimum", "exclusiveMinimum")),
    ...exclusive(parts, "exclusiveMinimum"),
  ].filter(({ value }) => value > -FAR);
  const most = [
    ...parts.flatMap((part) => inclusive(part, "maximum", "exclusiveMaximum")),
    ...exclusive(parts, "exclusiveMaximum"),
  ].filter(({ value }) => value < FAR);
  const tighter = (one: Bound, other: Bound): number =>
    Number(other.isExclusive) - Number(one.isExclusive);
  return {
    least: least.sort((a, b) => b.value - a.value || tighter(a, b))[0],
    most: most.sort((a, b) => a.value - b.value || tighter(a, b))[0],
  };
}

export function integerRange({ least, most }: NumberRange): IntegerRange {
  return { least: least && leastInteger(least), most: most && mostInteger(most) };
}

function leastInteger({ value, isExclusive }: Bound): bigint {
  const least = BigInt(Math.ceil(value));
  return isExclusive && Number.isInteger(value) ? least + 1n : least;
}

function mostInteger({ value, isExclusive }: Bound): bigint {
  const most = BigInt(Math.floor(value));
  return isExclusive && Number.isInteger(value) ? most - 1n : most;
}

function inclusive(part: Schema, keyword: string, exclusive: string): readonly Bound[] {
  return boundsFrom([part[keyword]], part[exclusive] === true);
}

function exclusive(parts: Parts, keyword: string): readonly Bound[] {
  return boundsFrom(saidOf(parts, keyword), true);
}

function boundsFrom(values: readonly unknown[], isExclusive: boolean): readonly Bound[] {
  return values.flatMap((value) =>
    typeof value === "number" && Number.isFinite(value) ? [{ value, isExclusive }] : [],
  );
}
