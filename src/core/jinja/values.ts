import { failed } from "./errors.ts";
import { spend, spendItems } from "./limits.ts";

/**
 * What templates handle. A number is Python's int where it is a whole one, else a float; text, lists and objects come in as
 * JSON has them and are never copied.
 */
export type Value =
  | null
  | boolean
  | number
  | string
  | readonly Value[]
  | { readonly [key: string]: Value }
  | Dict
  | Special
  | ForeignFunction;
/** Of a template's own: it may have other keys than texts. */
export type Dict = Map<Value, Value>;
export type PlainObject = { readonly [key: string]: Value };
export type ForeignFunction = (...args: readonly unknown[]) => unknown;

/** All that JSON has not. */
export abstract class Special {
  readonly isSpecial = true;
}

/** Python's float with a whole value, which prints as 1.0. */
export class Float extends Special {
  readonly value: number;

  private constructor(value: number) {
    super();
    this.value = value;
  }

  static of(value: number): Float | number {
    return Number.isInteger(value) ? new Float(value) : value;
  }
}

/** What is not there: false, empty and without a text; anything else that is done with it fails. */
export class Undefined extends Special {
  readonly #why: string | (() => string);

  constructor(why: string | (() => string)) {
    super();
    this.#why = why;
  }

  get why(): string {
    return typeof this.#why === "string" ? this.#why : this.#why();
  }

  static ofName(name: string): Undefined {
    return new Undefined(`'${name}' is undefined`);
  }
}

export class Tuple extends Special {
  readonly items: readonly Value[];

  constructor(items: readonly Value[]) {
    super();
    this.items = items;
  }
}

export class Range extends Special {
  readonly start: number;
  readonly stop: number;
  readonly step: number;
  readonly length: number;

  constructor(start: number, stop: number, step: number) {
    super();
    this.start = start;
    this.stop = stop;
    this.step = step;
    this.length = Math.max(0, Math.ceil((stop - start) / step));
  }
}

/** What a dict's `keys`, `values` and `items` give. */
export class View extends Special {
  readonly kind: "keys" | "values" | "items";
  readonly of: Dict | PlainObject;

  constructor(kind: View["kind"], of: Dict | PlainObject) {
    super();
    this.kind = kind;
    this.of = of;
  }
}

/** Python's generator, as `map`, `select` and others give it: it has no length, and can be gone through once. */
export class Generator extends Special {
  #items: readonly Value[];

  constructor(items: readonly Value[]) {
    super();
    this.#items = items;
  }

  take(): readonly Value[] {
    const items = this.#items;
    this.#items = [];
    return items;
  }

  next(): Value | undefined {
    const [first, ...others] = this.#items;
    this.#items = others;
    return first;
  }
}

export class Namespace extends Special {
  readonly members: Map<string, Value>;

  constructor(members: Map<string, Value>) {
    super();
    this.members = members;
  }
}

/** What a call hands over. */
export interface Arguments {
  readonly positional: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
}

/** A macro, a method, or a function that is always there. */
export class Callable extends Special {
  readonly name: string;
  readonly shown: string;
  readonly call: (args: Arguments) => Value;
  readonly members: ReadonlyMap<string, Value>;

  constructor(
    name: string,
    call: (args: Arguments) => Value,
    {
      shown = `<function ${name}>`,
      members = new Map(),
    }: { shown?: string; members?: ReadonlyMap<string, Value> } = {},
  ) {
    super();
    this.name = name;
    this.call = call;
    this.shown = shown;
    this.members = members;
  }
}

/** What has members that are looked up by name: a loop. */
export abstract class Members extends Special {
  abstract member(name: string): Value | undefined;
  abstract shown(): string;
}

export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

export function isDict(value: Value): value is Dict | PlainObject {
  return (
    typeof value === "object" &&
    value !== null &&
    !(value instanceof Special) &&
    !Array.isArray(value)
  );
}

/** The lists that a template has made itself, and so may change: what came in is never changed. */
const made = new WeakSet<readonly Value[]>();

export function madeList(items: Value[]): Value[] {
  made.add(items);
  return items;
}

export function isMade(value: readonly Value[]): value is Value[] {
  return made.has(value);
}

export function entriesOf(dict: Dict | PlainObject): (readonly [Value, Value])[] {
  if (dict instanceof Map) return [...dict];
  return Object.entries(dict).filter(([, value]) => value !== undefined);
}

export function sizeOf(dict: Dict | PlainObject): number {
  return dict instanceof Map ? dict.size : entriesOf(dict).length;
}

/** Undefined where there is none. */
export function memberOf(dict: Dict | PlainObject, key: Value): Value | undefined {
  if (dict instanceof Map) return dict.get(keyOf(key, dict));
  if (typeof key === "string") return Object.hasOwn(dict, key) ? dict[key] : undefined;
  keyOf(key);
  return undefined;
}

/** As a Map finds it: 1, 1.0 and true are the same to Python. */
export function keyOf(key: Value, within?: Dict): Value {
  if (key instanceof Float) return key.value;
  if (typeof key === "boolean") return within?.has(Number(key)) ? Number(key) : key;
  if (typeof key === "number" && within && (key === 0 || key === 1) && !within.has(key)) {
    return within.has(key === 1) ? key === 1 : key;
  }
  if (key instanceof Tuple) {
    if (key.items.some((item) => isList(item) || isDict(item))) throw unhashable(key);
    for (const known of within?.keys() ?? []) {
      spend(1);
      if (known instanceof Tuple && isSameTuple(known, key)) return known;
    }
    return key;
  }
  if (isList(key) || isDict(key)) throw unhashable(key);
  return key;
}

function isSameTuple(a: Tuple, b: Tuple): boolean {
  return (
    a.items.length === b.items.length && a.items.every((item, at) => keyOf(item) === b.items[at])
  );
}

function unhashable(key: Value): Error {
  return failed(`unhashable type: '${typeName(key)}'`);
}

/** Python's bool(). */
export function isTrue(value: Value): boolean {
  if (value === null || typeof value !== "object") return Boolean(value) || Number.isNaN(value);
  if (Array.isArray(value)) return value.length > 0;
  if (!(value instanceof Special)) return isDict(value) && sizeOf(value) > 0;
  if (value instanceof Undefined) return false;
  if (value instanceof Float) return value.value !== 0;
  if (value instanceof Tuple) return value.items.length > 0;
  if (value instanceof Range) return value.length > 0;
  if (value instanceof View) return sizeOf(value.of) > 0;
  return true;
}

/** As a loop goes through it. A text is its characters, a dict its keys. */
export function itemsOf(value: Value): readonly Value[] {
  const items = itemsIfAny(value);
  if (items) return items;
  throw failed(`'${typeName(value)}' object is not iterable`);
}

export function itemsIfAny(value: Value): readonly Value[] | undefined {
  if (isList(value)) return value;
  if (value instanceof Tuple) return value.items;
  if (typeof value === "string") {
    spend(value.length);
    return [...value];
  }
  if (value instanceof Undefined) return [];
  if (value instanceof Generator) return value.take();
  if (value instanceof Range) {
    const { start, step, length } = value;
    spendItems(length);
    return Array.from({ length }, (_, at) => start + at * step);
  }
  if (value instanceof View) return itemsOfView(value);
  if (!isDict(value)) return undefined;
  spendItems(sizeOf(value));
  return entriesOf(value).map(([key]) => key);
}

function itemsOfView({ kind, of }: View): Value[] {
  const entries = entriesOf(of);
  spendItems(entries.length);
  if (kind === "items") return entries.map((entry) => new Tuple(entry));
  return entries.map(([key, value]) => (kind === "keys" ? key : value));
}

/** A number's value; undefined of what is none. Booleans are numbers to Python. */
export function numberOf(value: Value): number | undefined {
  if (typeof value === "number") return value;
  if (typeof value === "boolean") return Number(value);
  return value instanceof Float ? value.value : undefined;
}

export function isFloat(value: Value): boolean {
  return value instanceof Float || (typeof value === "number" && !Number.isInteger(value));
}

/** As Python's errors say it. */
export function typeName(value: Value): string {
  if (value === null) return "NoneType";
  if (typeof value === "string") return "str";
  if (typeof value === "boolean") return "bool";
  if (isFloat(value)) return "float";
  if (typeof value === "number") return "int";
  if (isList(value)) return "list";
  if (isDict(value)) return "dict";
  if (value instanceof View) return `dict_${value.kind}`;
  return value instanceof Special ? value.constructor.name.toLowerCase() : "function";
}
