import { failed } from "./errors.ts";
import { spend, spendChars } from "./limits.ts";
import type { Comparison } from "./nodes.ts";
import {
  entriesOf,
  isDict,
  isList,
  itemsIfAny,
  keyOf,
  memberOf,
  numberOf,
  Range,
  sizeOf,
  Tuple,
  typeName,
  Undefined,
  type Value,
  View,
} from "./values.ts";

export function holds(comparison: Comparison, a: Value, b: Value): boolean {
  switch (comparison) {
    case "==":
      return isEqual(a, b);
    case "!=":
      return !isEqual(a, b);
    case "in":
      return isIn(a, b);
    case "not in":
      return !isIn(a, b);
    case "<":
      return isOrdered(a, b, comparison, (order) => order < 0);
    case "<=":
      return isOrdered(a, b, comparison, (order) => order <= 0);
    case ">":
      return isOrdered(a, b, comparison, (order) => order > 0);
    case ">=":
      return isOrdered(a, b, comparison, (order) => order >= 0);
  }
}

/** Characters that are compared in the time of a step, or more. */
const LONG = 1000;

/** Python's ==: 1, 1.0 and true are equal, a list and a tuple never. */
export function isEqual(a: Value, b: Value): boolean {
  spend(typeof a === "string" && a.length > LONG ? a.length / LONG : 1);
  if (a === b) return true;
  if (typeof a === "string" || typeof b === "string") return false;
  const [x, y] = [numberOf(a), numberOf(b)];
  if (x !== undefined || y !== undefined) return x === y;
  if (isList(a)) return isList(b) && areEqual(a, b);
  if (a instanceof Tuple) return b instanceof Tuple && areEqual(a.items, b.items);
  if (a instanceof Undefined) return b instanceof Undefined;
  if (a instanceof Range) {
    return b instanceof Range && areEqual(itemsIfAny(a) ?? [], itemsIfAny(b) ?? []);
  }
  if (a === null || b === null || !isDict(a) || !isDict(b) || sizeOf(a) !== sizeOf(b)) return false;
  return entriesOf(a).every(([key, value]) => {
    const other = memberOf(b, key);
    return other !== undefined && isEqual(value, other);
  });
}

function areEqual(a: readonly Value[], b: readonly Value[]): boolean {
  return a.length === b.length && a.every((item, at) => isEqual(item, b[at] ?? null));
}

export function isIn(value: Value, container: Value): boolean {
  if (typeof container === "string") {
    if (typeof value !== "string") {
      const name = typeName(value);
      throw failed(`'in <string>' requires string as left operand, not ${name}`);
    }
    spendChars(container.length / 8);
    return container.includes(value);
  }
  if (isDict(container)) return memberOf(container, value) !== undefined;
  if (container instanceof View && container.kind === "keys") {
    return memberOf(container.of, keyOf(value)) !== undefined;
  }
  const items = itemsIfAny(container);
  if (!items) throw failed(`argument of type '${typeName(container)}' is not iterable`);
  return items.some((item) => isEqual(item, value));
}

function isOrdered(a: Value, b: Value, sign: string, accepts: (order: number) => boolean): boolean {
  const order = orderOf(a, b);
  if (order !== undefined) return accepts(order);
  for (const value of [a, b]) if (value instanceof Undefined) throw failed(value.why);
  const names = `'${typeName(a)}' and '${typeName(b)}'`;
  throw failed(`'${sign}' not supported between instances of ${names}`);
}

/** Negative, zero, positive (or NaN); undefined where Python has no order. */
function orderOf(a: Value, b: Value): number | undefined {
  spend(1);
  if (typeof a === "string") return typeof b === "string" ? textOrder(a, b) : undefined;
  const [x, y] = [numberOf(a), numberOf(b)];
  if (x !== undefined || y !== undefined) {
    if (x === undefined || y === undefined) return undefined;
    return x < y ? -1 : x > y ? 1 : x === y ? 0 : Number.NaN;
  }
  if (isList(a)) return isList(b) ? listOrder(a, b) : undefined;
  return a instanceof Tuple && b instanceof Tuple ? listOrder(a.items, b.items) : undefined;
}

function listOrder(a: readonly Value[], b: readonly Value[]): number | undefined {
  for (const [at, item] of a.entries()) {
    const other = b[at];
    if (other === undefined) return 1;
    if (!isEqual(item, other)) return orderOf(item, other);
  }
  return a.length - b.length;
}

/** By code points, where JavaScript's is by halves of them. */
function textOrder(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  let at = 0;
  while (at < length && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  spend(at / 8);
  const [x, y] = [a.charCodeAt(at), b.charCodeAt(at)];
  if (Number.isNaN(x) || Number.isNaN(y)) return a.length - b.length;
  const isHalf = (unit: number): boolean => unit >= 0xd800 && unit < 0xe000;
  return isHalf(x) === isHalf(y) ? x - y : isHalf(x) ? 1 : -1;
}

/** For sorting; throws where Python has no order. */
export function inOrder(a: Value, b: Value): number {
  if (holds("<", a, b)) return -1;
  return holds("<", b, a) ? 1 : 0;
}
