import { bound, integerOf } from "./bound-arguments.ts";
import { isEqual } from "./comparison.ts";
import { failed } from "./errors.ts";
import { spendItems } from "./limits.ts";
import { repr } from "./printing.ts";
import {
  type Arguments,
  type Dict,
  entriesOf,
  isDict,
  isMade,
  itemsOf,
  keyOf,
  madeList,
  memberOf,
  type PlainObject,
  type Tuple,
  type Value,
  View,
} from "./values.ts";

type Method<Of> = (of: Of, args: Arguments) => Value;
type Bound = ((args: Arguments) => Value) | undefined;

/** Those that change it work on a template's own lists alone, where Hugging Face's sandbox has none: as in llama.cpp. */
const LIST_CHANGES: Readonly<Record<string, Method<Value[]>>> = {
  append: (list, args) => {
    const [item = null] = bound("append", args, ["object"]);
    spendItems(1);
    list.push(item);
    return null;
  },
  extend: (list, args) => {
    const [items = null] = bound("extend", args, ["iterable"]);
    const added = [...itemsOf(items)];
    spendItems(added.length);
    for (const item of added) list.push(item);
    return null;
  },
  insert: (list, args) => {
    const [at, item = null] = bound("insert", args, ["index", "object"]);
    spendItems(1 + list.length / 64);
    list.splice(integerOf("insert", at), 0, item);
    return null;
  },
  pop: (list, args) => {
    const [at = -1] = bound("pop", args, ["index"]);
    spendItems(1 + list.length / 64);
    const [item] = list.splice(integerOf("pop", at), 1);
    if (item === undefined) throw failed("pop index out of range");
    return item;
  },
};

const LIST: Readonly<Record<string, Method<readonly Value[]>>> = {
  index: (list, args) => indexIn(list, args),
  count: (list, args) => countIn(list, args),
  copy: (list) => {
    spendItems(list.length);
    return madeList([...list]);
  },
};
const REFUSED_LIST: ReadonlySet<string> = new Set(["remove", "reverse", "sort", "clear"]);

export function listMethod(list: readonly Value[], name: string): Bound {
  const method = own(LIST, name);
  if (method) return (args) => method(list, args);
  const change = own(LIST_CHANGES, name);
  if (change && isMade(list)) return (args) => change(list, args);
  return change || REFUSED_LIST.has(name) ? refused("list", name) : undefined;
}

export function tupleMethod({ items }: Tuple, name: string): Bound {
  if (name === "index") return (args) => indexIn(items, args);
  return name === "count" ? (args) => countIn(items, args) : undefined;
}

function indexIn(items: readonly Value[], args: Arguments): number {
  const [item = null, from = 0] = bound("index", args, ["value", "start"]);
  const start = integerOf("index", from);
  const at = items.findIndex((one, place) => place >= start && isEqual(one, item));
  if (at < 0) throw failed(`${repr(item)} is not in list`);
  return at;
}

function countIn(items: readonly Value[], args: Arguments): number {
  const [item = null] = bound("count", args, ["value"]);
  return items.filter((one) => isEqual(one, item)).length;
}

const DICT: Readonly<Record<string, Method<Dict | PlainObject>>> = {
  keys: (dict) => new View("keys", dict),
  values: (dict) => new View("values", dict),
  items: (dict) => new View("items", dict),
  get: (dict, args) => {
    const [key = null, fallback = null] = bound("get", args, ["key", "default"]);
    const value = memberOf(dict, key);
    return value === undefined ? fallback : value;
  },
  copy: (dict) => {
    const entries = entriesOf(dict);
    spendItems(entries.length);
    return new Map(entries);
  },
};

const DICT_CHANGES: Readonly<Record<string, Method<Dict>>> = {
  update: (dict, { positional, named }) => {
    const [other = null] = positional;
    const entries = other === null ? [] : pairsOf(other);
    spendItems(entries.length + named.size);
    for (const [key, value] of [...entries, ...named]) dict.set(keyOf(key, dict), value);
    return null;
  },
  pop: (dict, args) => {
    const [key = null, fallback] = bound("pop", args, ["key", "default"]);
    const known = memberOf(dict, key);
    const value = known === undefined ? fallback : known;
    if (value === undefined) throw failed(`no key ${repr(key)}`);
    dict.delete(keyOf(key, dict));
    return value;
  },
  setdefault: (dict, args) => {
    const [key = null, fallback = null] = bound("setdefault", args, ["key", "default"]);
    const known = memberOf(dict, key);
    if (known !== undefined) return known;
    dict.set(keyOf(key, dict), fallback);
    return fallback;
  },
};
const REFUSED_DICT: ReadonlySet<string> = new Set(["popitem", "clear"]);

export function dictMethod(dict: Dict | PlainObject, name: string): Bound {
  const method = own(DICT, name);
  if (method) return (args) => method(dict, args);
  const change = own(DICT_CHANGES, name);
  if (change && dict instanceof Map) return (args) => change(dict, args);
  // Data may well have a key of that name.
  if (memberOf(dict, name) !== undefined) return undefined;
  return change || REFUSED_DICT.has(name) ? refused("dict", name) : undefined;
}

function refused(type: string, name: string): Bound {
  return () => {
    throw failed(`access to attribute '${name}' of '${type}' object is unsafe`);
  };
}

/** Of a dict, or of pairs. */
export function pairsOf(value: Value): (readonly [Value, Value])[] {
  if (isDict(value)) return entriesOf(value);
  return itemsOf(value).map((pair) => {
    const [key, of, ...more] = itemsOf(pair);
    if (key === undefined || of === undefined || more.length > 0) throw failed("a pair is wanted");
    return [key, of];
  });
}

function own<Of>(methods: Readonly<Record<string, Of>>, name: string): Of | undefined {
  return Object.hasOwn(methods, name) ? methods[name] : undefined;
}
