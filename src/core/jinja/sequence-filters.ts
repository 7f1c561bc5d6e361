import { pathGetter } from "./access.ts";
import { calculated } from "./arithmetic.ts";
import { bound, integerOf } from "./bound-arguments.ts";
import { lengthOf } from "./code-points.ts";
import { inOrder, isEqual } from "./comparison.ts";
import { failed } from "./errors.ts";
import { spend, spendChars, spendItems } from "./limits.ts";
import { str } from "./printing.ts";
import {
  type Arguments,
  entriesOf,
  Generator,
  isDict,
  isList,
  isTrue,
  itemsOf,
  madeList,
  Range,
  sizeOf,
  Tuple,
  typeName,
  Undefined,
  type Value,
  View,
} from "./values.ts";

type SequenceFilter = (value: Value, args: Arguments) => Value;

export const SEQUENCE_FILTERS: Readonly<Record<string, SequenceFilter>> = {
  length: (value) => countOf(value),
  first: (value) => {
    const isText = typeof value === "string";
    const items = isText
      ? [...value.slice(0, 2)]
      : value instanceof Generator
        ? []
        : itemsOf(value);
    const first = value instanceof Generator ? value.next() : items[0];
    return first === undefined ? none("first") : first;
  },
  last: (value) => {
    if (value instanceof Generator) throw failed("'generator' object is not reversible");
    const last = itemsOf(value).at(-1);
    return last === undefined ? none("last") : last;
  },
  list: (value) => {
    const items = itemsOf(value);
    spendItems(items.length);
    return madeList([...items]);
  },
  join: (value, args) => {
    const [separator = "", attribute = null] = bound("join", args, ["d", "attribute"]);
    const part = attribute === null ? undefined : pathGetter(attribute);
    const texts = itemsOf(value).map((item) => str(part ? part(item) : item));
    const between = str(separator);
    spendChars(texts.reduce((sum, text) => sum + text.length + between.length, 0));
    return texts.join(between);
  },
  items: (value) => {
    if (value instanceof Undefined) return new Generator([]);
    if (!isDict(value)) throw failed("Can only get item pairs from a mapping.");
    return new Generator(itemsOf(new View("items", value)));
  },
  dictsort: (value, args) => {
    const [sensitive = false, by = "key", reverse = false] = bound("dictsort", args, [
      ...["case_sensitive", "by", "reverse"],
    ]);
    if (value instanceof Undefined) throw failed(value.why);
    if (!isDict(value)) throw failed(`'${typeName(value)}' object has no attribute 'items'`);
    if (by !== "key" && by !== "value")
      throw failed("You can only sort by either 'key' or 'value'");
    const pairs = entriesOf(value).map((entry) => new Tuple(entry));
    const at = by === "key" ? 0 : 1;
    const key = caseless(isTrue(sensitive), (pair) =>
      pair instanceof Tuple ? (pair.items[at] ?? null) : pair,
    );
    return madeList(sorted(pairs, key, isTrue(reverse)));
  },
  sort: (value, args) => {
    const [reverse = false, sensitive = false, attribute = null] = bound("sort", args, [
      ...["reverse", "case_sensitive", "attribute"],
    ]);
    const keys = typeof attribute === "string" ? attribute.split(",") : [attribute];
    const parts = keys.map((key) => caseless(isTrue(sensitive), partOf(key)));
    // Of one key too: what is equal is not asked for its order.
    const key = (item: Value): Value => new Tuple(parts.map((part) => part(item)));
    return madeList(sorted(itemsOf(value), key, isTrue(reverse)));
  },
  reverse: (value) => {
    if (typeof value === "string") return [...value].reverse().join("");
    if (value instanceof Generator) return madeList([...value.take()].reverse());
    return new Generator([...itemsOf(value)].reverse());
  },
  unique: (value, args) => {
    const [sensitive = false, attribute = null] = bound("unique", args, [
      "case_sensitive",
      "attribute",
    ]);
    const key = caseless(isTrue(sensitive), partOf(attribute));
    const seen: Value[] = [];
    const items = itemsOf(value).filter((item) => {
      const of = key(item);
      const isNew = !seen.some((known) => isEqual(known, of));
      if (isNew) seen.push(of);
      return isNew;
    });
    return new Generator(items);
  },
  min: (value, args) => extreme(value, args, (order) => order < 0),
  max: (value, args) => extreme(value, args, (order) => order > 0),
  sum: (value, args) => {
    const [attribute = null, start = 0] = bound("sum", args, ["attribute", "start"]);
    const part = partOf(attribute);
    if (typeof start === "string") throw failed("sum() can't sum strings");
    return itemsOf(value).reduce<Value>((sum, item) => calculated("+", sum, part(item)), start);
  },
  groupby: (value, args) => {
    const [attribute = null, fallback = null, sensitive = false] = bound("groupby", args, [
      ...["attribute", "default", "case_sensitive"],
    ]);
    const part = pathGetter(attribute, fallback);
    const key = caseless(isTrue(sensitive), part);
    const groups: { of: Value; shown: Value; items: Value[] }[] = [];
    for (const item of sorted(itemsOf(value), key, false)) {
      const of = key(item);
      const last = groups.at(-1);
      if (last && isEqual(last.of, of)) last.items.push(item);
      else groups.push({ of, shown: part(item), items: [item] });
    }
    return madeList(groups.map(({ shown, items }) => new Tuple([shown, madeList(items)])));
  },
  batch: (value, args) => {
    const [count, fill = null] = bound("batch", args, ["linecount", "fill_with"]);
    const size = integerOf("batch", count);
    if (size < 1) throw failed("batch: a positive count is wanted");
    const items = itemsOf(value);
    const rows: Value[] = [];
    for (let at = 0; at < items.length; at += size) {
      const row = items.slice(at, at + size);
      rows.push(madeList(fill === null ? [...row] : filled(row, size, fill)));
    }
    return new Generator(rows);
  },
  slice: (value, args) => {
    const [count, fill = null] = bound("slice", args, ["slices", "fill_with"]);
    const slices = integerOf("slice", count);
    if (slices < 1) throw failed("slice: a positive count is wanted");
    spendItems(slices);
    const items = itemsOf(value);
    const [size, longer] = [Math.floor(items.length / slices), items.length % slices];
    const rows = Array.from({ length: slices }, (_, at): Value => {
      const from = at * size + Math.min(at, longer);
      const row = items.slice(from, from + size + (at < longer ? 1 : 0));
      return madeList(fill !== null && longer > 0 && at >= longer ? [...row, fill] : [...row]);
    });
    return new Generator(rows);
  },
};

function none(which: string): Undefined {
  return new Undefined(`No ${which} item, sequence was empty.`);
}

function countOf(value: Value): number {
  if (typeof value === "string") return lengthOf(value);
  if (isList(value)) return value.length;
  if (value instanceof Tuple) return value.items.length;
  if (value instanceof Range) return value.length;
  if (value instanceof Undefined) return 0;
  if (value instanceof View) return sizeOf(value.of);
  if (isDict(value)) return sizeOf(value);
  throw failed(`object of type '${typeName(value)}' has no len()`);
}

function partOf(attribute: Value): (value: Value) => Value {
  return attribute === null ? (value) => value : pathGetter(attribute);
}

/** In lower case, as the filters compare unless they are told otherwise. */
function caseless(sensitive: boolean, part: (value: Value) => Value): (value: Value) => Value {
  if (sensitive) return part;
  return (value) => {
    const of = part(value);
    return typeof of === "string" ? of.toLowerCase() : of;
  };
}

function sorted<Item extends Value>(
  items: readonly Item[],
  key: (value: Value) => Value,
  reverse: boolean,
): Item[] {
  spendItems(items.length);
  const keyed = items.map((item) => ({ item, key: key(item) }));
  keyed.sort((a, b) => (reverse ? inOrder(b.key, a.key) : inOrder(a.key, b.key)));
  return keyed.map(({ item }) => item);
}

function extreme(value: Value, args: Arguments, better: (order: number) => boolean): Value {
  const [sensitive = false, attribute = null] = bound("min", args, ["case_sensitive", "attribute"]);
  const key = caseless(isTrue(sensitive), partOf(attribute));
  const [first, ...others] = itemsOf(value);
  if (first === undefined) return new Undefined("No aggregated item, sequence was empty.");
  return others.reduce(
    (best, item) => (better(inOrder(key(item), key(best))) ? item : best),
    first,
  );
}

function filled(row: readonly Value[], size: number, fill: Value): Value[] {
  spend(size);
  spendItems(size);
  return Array.from({ length: size }, (_, at) => (at < row.length ? (row[at] ?? null) : fill));
}
