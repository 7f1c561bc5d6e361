import { integerOf } from "./bound-arguments.ts";
import { pointsOf } from "./code-points.ts";
import { failed } from "./errors.ts";
import { spendItems } from "./limits.ts";
import { methodOf } from "./methods.ts";
import { str } from "./printing.ts";
import {
  Callable,
  isDict,
  isList,
  Members,
  madeList,
  memberOf,
  Namespace,
  Range,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

/** `of.name`: a method or a member before an item. */
export function attributeOf(of: Value, name: string): Value {
  if (of instanceof Undefined) throw failed(of.why);
  const member = memberNamed(of, name);
  const found = member === undefined ? itemAt(of, name) : member;
  return found === undefined ? missing(of, name) : found;
}

/** `of[key]`: an item before a method or a member. */
export function itemOf(of: Value, key: Value): Value {
  if (of instanceof Undefined) throw failed(of.why);
  if (key instanceof Undefined) return missing(of, str(key));
  const found = itemAt(of, key);
  if (found !== undefined) return found;
  const member = typeof key === "string" ? memberNamed(of, key) : undefined;
  return member === undefined ? missing(of, key) : member;
}

/** Without its items, as the filter `attr` has it. */
export function memberNamed(of: Value, name: string): Value | undefined {
  if (of instanceof Namespace || of instanceof Callable) return of.members.get(name);
  if (of instanceof Members) return of.member(name);
  return methodOf(of, name);
}

export function missing(of: Value, key: Value): Undefined {
  return new Undefined(() => {
    const name = of === null ? "None" : `${typeName(of)} object`;
    const what = typeof key === "string" ? `attribute '${key}'` : `element ${str(key)}`;
    return `'${name}' has no ${what}`;
  });
}

function itemAt(of: Value, key: Value): Value | undefined {
  if (isDict(of)) return isList(key) || isDict(key) ? undefined : memberOf(of, key);
  const at = typeof key === "number" || typeof key === "boolean" ? Number(key) : undefined;
  if (at === undefined || !Number.isInteger(at)) return undefined;
  if (isList(of)) return of.at(at);
  if (of instanceof Tuple) return of.items.at(at);
  if (typeof of === "string") return (pointsOf(of) ?? of).at(at);
  if (!(of instanceof Range)) return undefined;
  const place = at < 0 ? at + of.length : at;
  return place >= 0 && place < of.length ? of.start + place * of.step : undefined;
}

/** What is undefined or none is no bound. */
interface Bounds {
  readonly start: Value | undefined;
  readonly stop: Value | undefined;
  readonly step: Value | undefined;
}

export function sliceOf(of: Value, { start, stop, step }: Bounds): Value {
  if (of instanceof Undefined) throw failed(of.why);
  const by = bound(step) ?? 1;
  if (by === 0) throw failed("slice step cannot be zero");
  if (typeof of === "string") {
    const points = pointsOf(of) ?? of;
    const [from, to] = limits(points.length, bound(start), bound(stop), by);
    if (by === 1 && typeof points === "string") return points.slice(from, Math.max(from, to));
    return picked(points, from, to, by).join("");
  }
  if (of instanceof Range) {
    const [from, to] = limits(of.length, bound(start), bound(stop), by);
    return new Range(of.start + from * of.step, of.start + to * of.step, of.step * by);
  }
  const items = of instanceof Tuple ? of.items : isList(of) ? of : undefined;
  if (!items) throw failed(`'${typeName(of)}' object is not subscriptable`);
  const [from, to] = limits(items.length, bound(start), bound(stop), by);
  const chosen = picked(items, from, to, by);
  return of instanceof Tuple ? new Tuple(chosen) : madeList(chosen);
}

function bound(value: Value | undefined): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (value instanceof Undefined) throw failed("slice indices must be integers or None");
  return integerOf("slice", value);
}

/** Python's slice.indices. */
function limits(
  length: number,
  start: number | undefined,
  stop: number | undefined,
  step: number,
): [from: number, to: number] {
  const [least, most] = step > 0 ? [0, length] : [-1, length - 1];
  const clamped = (value: number): number =>
    Math.min(most, Math.max(least, value < 0 ? value + length : value));
  const from = start === undefined ? (step > 0 ? least : most) : clamped(start);
  const to = stop === undefined ? (step > 0 ? most : least) : clamped(stop);
  return [from, to];
}

function picked<Item>(
  items: { readonly [at: number]: Item },
  from: number,
  to: number,
  step: number,
): Item[] {
  const chosen: Item[] = [];
  const count = Math.max(0, Math.ceil((to - from) / step));
  spendItems(count);
  for (let at = from; step > 0 ? at < to : at > to; at += step) {
    const item = items[at];
    if (item !== undefined) chosen.push(item);
  }
  return chosen;
}

/** As the filters' `attribute` goes in: by the parts of a name with points, or a number. */
export function pathGetter(attribute: Value, fallback?: Value): (value: Value) => Value {
  const keys: readonly Value[] =
    typeof attribute === "string"
      ? attribute.split(".").map((part) => (/^\d+$/.test(part) ? Number(part) : part))
      : [attribute];
  return (value) => {
    let found = value;
    for (const key of keys) {
      found = itemOf(found, key);
      if (found instanceof Undefined && fallback !== undefined && fallback !== null) {
        found = fallback;
      }
    }
    return found;
  };
}
