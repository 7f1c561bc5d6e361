import { refuse } from "./schema-error.ts";

export type Schema = Readonly<Record<string, unknown>>;
/** Schemas that a value must fit all; none for any value. References and `allOf` are gone from them. */
export type Parts = readonly Schema[];

/** Stands for `false`. */
export const NEVER: Schema = Object.freeze({});
/** So many steps a schema may take in all; one of the largest that are accepted takes a tenth. */
const STEPS_MAX = 200_000;

/** Keywords that say nothing of a value, or nothing that a grammar could. */
const SILENT = new Set([
  ...["$ref", "allOf", "$defs", "definitions", "$schema", "$id", "$comment", "$anchor"],
  ...["title", "description", "default", "examples", "example", "deprecated", "readOnly"],
  ...["writeOnly", "discriminator", "xml", "externalDocs", "not", "if", "then", "else"],
]);

/** A whole schema, with what its parts refer to. */
export class SchemaDocument {
  readonly #root: unknown;
  readonly #known = new Map<unknown, Parts | "open">();
  readonly #numbers = new Map<Schema, number>();
  readonly #changed = new Map<Schema, Map<string, Schema>>();
  #named: ReadonlyMap<string, unknown> | undefined;
  #steps = 0;

  constructor(root: unknown) {
    this.#root = root;
  }

  spend(steps: number): void {
    this.#steps += steps;
    if (this.#steps > STEPS_MAX) refuse("the schema takes too long to work out");
  }

  /** What a value must fit to fit all of the schemas. */
  partsOf(schemas: readonly unknown[]): Parts {
    const [first] = schemas;
    if (schemas.length === 1) return this.#flat(first);
    return [...new Set(schemas.flatMap((schema) => this.#flat(schema)))];
  }

  /** The same for the same parts. */
  keyOf(parts: Parts): string {
    return parts.map((part) => this.#numberOf(part)).join(" ");
  }

  /** The parts, of which one is without that keyword, and what the schema adds. */
  instead(parts: Parts, part: Schema, keyword: string, schema: unknown): Parts {
    const rest = this.#without(part, keyword);
    const kept = parts.map((one) => (one === part ? rest : one)).filter(saysSomething);
    return [...new Set([...kept, ...this.#flat(schema)])];
  }

  withoutAll(parts: Parts, keyword: string): Parts {
    const rest = parts.map((one) => (keyword in one ? this.#without(one, keyword) : one));
    return rest.filter(saysSomething);
  }

  /** Always the same, so that it has one key. */
  #without(part: Schema, keyword: string): Schema {
    const changed = this.#changed.get(part) ?? new Map<string, Schema>();
    this.#changed.set(part, changed);
    const { [keyword]: _, ...others } = part;
    const rest = changed.get(keyword) ?? others;
    changed.set(keyword, rest);
    return rest;
  }

  #numberOf(part: Schema): number {
    const number = this.#numbers.get(part) ?? this.#numbers.size;
    this.#numbers.set(part, number);
    return number;
  }

  #flat(given: unknown): Parts {
    if (given === true) return [];
    if (given === false) return [NEVER];
    if (!isSchema(given)) return refuse("a schema must be an object");
    const known = this.#known.get(given);
    if (known === "open") return refuse("a reference leads to itself");
    if (known) return known;
    this.#known.set(given, "open");
    const schema = withoutNulls(given);
    const parts = new Set<Schema>(saysSomething(schema) ? [schema] : []);
    const { $ref, allOf, not } = schema;
    if (typeof $ref === "string") this.#addAll(parts, this.#target($ref));
    for (const one of allOf === undefined ? [] : listIn(schema, "allOf")) this.#addAll(parts, one);
    if (isAny(not)) parts.add(NEVER);
    const flat = [...parts];
    this.spend(1 + flat.length);
    this.#known.set(given, flat);
    return flat;
  }

  #addAll(parts: Set<Schema>, schema: unknown): void {
    for (const part of this.#flat(schema)) parts.add(part);
  }

  /** From the root, or from a schema's `$id`. Other documents are not looked for. */
  #target(reference: string): unknown {
    const [id = "", fragment = ""] = reference.split(/#(.*)/s);
    const pointer = decoded(fragment);
    this.spend(pointer.split("/").length);
    const start = id === "" ? this.#root : this.#names().get(id);
    const target = pointedAt(start, pointer) ?? this.#names().get(`#${pointer}`);
    return target ?? refuse(`the reference ${JSON.stringify(reference)} leads nowhere`);
  }

  /**
   * What is called by a name wherever it stands, the first of each: TypeBox refers to an `$id`, word for word, and definitions
   * of a schema that became part of another are still looked for at the root.
   */
  #names(): ReadonlyMap<string, unknown> {
    if (this.#named) return this.#named;
    const named = new Map<string, unknown>();
    const add = (name: string, schema: unknown): void => {
      if (!named.has(name)) named.set(name, schema);
    };
    const all = new Set([this.#root]);
    // A set's iteration comes to what is added while it goes on.
    for (const value of all) {
      if (typeof value !== "object" || value === null) continue;
      for (const inner of Object.values(value)) all.add(inner);
      if (!isSchema(value)) continue;
      if (typeof value["$id"] === "string") add(value["$id"], value);
      for (const keyword of ["$defs", "definitions"]) {
        const definitions = Object.entries(value[keyword] ?? {});
        for (const [name, schema] of definitions) add(`#/${keyword}/${name}`, schema);
      }
    }
    this.spend(all.size);
    this.#named = named;
    return named;
  }
}

/** RFC 6901. Undefined when it leads nowhere. */
function pointedAt(start: unknown, pointer: string): unknown {
  const [head, ...steps] = pointer.split("/");
  if (head !== "") return undefined;
  let target = start;
  for (const step of steps) {
    const key = step.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof target !== "object" || target === null || !Object.hasOwn(target, key))
      return undefined;
    target = (target as Record<string, unknown>)[key];
  }
  return target;
}

/** Some clients write null for a keyword that they do not use. */
function withoutNulls(schema: Schema): Schema {
  const said = Object.entries(schema).filter(
    ([keyword, value]) => value !== null || keyword === "const",
  );
  return said.length === Object.keys(schema).length ? schema : Object.fromEntries(said);
}

function isAny(schema: unknown): boolean {
  return schema === true || (isSchema(schema) && Object.keys(schema).length === 0);
}

function decoded(fragment: string): string {
  try {
    return decodeURIComponent(fragment);
  } catch {
    return fragment;
  }
}

function saysSomething(schema: Schema): boolean {
  return Object.keys(schema).some((keyword) => !SILENT.has(keyword));
}

export function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What the parts that have the keyword say. */
export function saidOf(parts: Parts, keyword: string): readonly unknown[] {
  return parts.filter((part) => Object.hasOwn(part, keyword)).map((part) => part[keyword]);
}

export function listIn(schema: Schema, keyword: string): readonly unknown[] {
  const list = schema[keyword];
  if (Array.isArray(list) && list.length > 0) return list;
  return refuse(`${keyword} must be a list with at least one entry`);
}

/** Of all counts by that name the largest; other values count for nothing. */
export function largestOf(parts: Parts, keyword: string): number | undefined {
  const counts = saidOf(parts, keyword).filter(isCount);
  return counts.length === 0 ? undefined : Math.max(...counts);
}

export function smallestOf(parts: Parts, keyword: string): number | undefined {
  const counts = saidOf(parts, keyword).filter(isCount);
  return counts.length === 0 ? undefined : Math.min(...counts);
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0;
}
