import { type Expression, NOTHING, repetition, sequence, text } from "./gbnf.ts";
import { GrammarRules, type Rule } from "./grammar-rules.ts";
import { integerGrammar } from "./integer-range.ts";
import { JsonRules, type Member, QUOTE } from "./json-rules.ts";
import { boundsOf, integerRange } from "./number-bounds.ts";
import { numberGrammar } from "./number-range.ts";
import { objectGrammar, type Property } from "./object-grammar.ts";
import { refuse } from "./schema-error.ts";
import {
  isSchema,
  largestOf,
  listIn,
  NEVER,
  type Parts,
  type Schema,
  SchemaDocument,
  saidOf,
  smallestOf,
} from "./schema-parts.ts";
import { type JsonType, ofTypes, typesOf } from "./schema-types.ts";
import { formatGrammar } from "./string-formats.ts";
import { patternGrammar } from "./string-pattern.ts";
import { textChoice } from "./text-choice.ts";

/** Of schemas in schemas. What a reference leads to begins anew. */
const DEPTH_MAX = 64;
/** llama.cpp repeats no rule more often; a larger minimum is cut to this, a larger maximum left out. */
const REPETITIONS_MAX = 1_999;
const STRING: Schema = { type: "string" };

/**
 * A JSON Schema as GBNF, the language of llama.cpp's grammars: what follows it is JSON that fits the schema, and ends with it.
 * Properties come in the schema's order, optional ones may be left out; others come only where `additionalProperties` asks
 * for them or there are no properties at all. What a grammar cannot say is left to the model: `not` but of every value, `if`,
 * `multipleOf`, `uniqueItems`, `contains`, `patternProperties` and `propertyNames` (but lists of names) beside `properties`,
 * how many properties there are, patterns that `string-pattern.ts` does not know, the lengths of what has a pattern, formats
 * but dates, times and UUIDs, and that `oneOf` is one only.
 *
 * 1. A value has to fit a list of schemas ("parts"): the one at hand, what it refers to, and what `allOf` adds.
 * 2. Each list that is found is a rule, written once, whoever needs it: so schemas may refer to themselves, and work is
 *    done for what there is, never for the ways that lead to it.
 * 3. Of several alternatives each becomes a list with the parts around it.
 */
export function schemaGrammar(schema: unknown): string {
  return new SchemaGrammar(schema).text();
}

interface Open {
  readonly rule: Rule;
  readonly parts: Parts;
  readonly depth: number;
}

class SchemaGrammar {
  readonly #document: SchemaDocument;
  readonly #rules = new GrammarRules();
  readonly #json = new JsonRules(this.#rules);
  readonly #ruleOf = new Map<string, Rule>();
  readonly #open: Open[] = [];
  readonly #root: unknown;

  constructor(root: unknown) {
    this.#root = root;
    this.#document = new SchemaDocument(root);
  }

  text(): string {
    const start = this.#ruleFor([this.#root], 0);
    for (let next = this.#open.pop(); next; next = this.#open.pop()) this.#define(next);
    return this.#rules.text(start);
  }

  /** The rule of what fits all of the schemas. */
  #ruleFor(schemas: readonly unknown[], depth: number): Rule {
    if (depth > DEPTH_MAX) refuse("the schema is nested too deeply");
    const isReference = schemas.some((schema) => isSchema(schema) && "$ref" in schema);
    return this.#ruleOfParts(this.#document.partsOf(schemas), isReference ? 0 : depth);
  }

  #ruleOfParts(parts: Parts, depth: number): Rule {
    this.#document.spend(1 + parts.length);
    if (parts.length === 0) return this.#json.value;
    const key = this.#document.keyOf(parts);
    const known = this.#ruleOf.get(key);
    if (known) return known;
    const rule = this.#rules.reserve();
    this.#ruleOf.set(key, rule);
    this.#open.push({ rule, parts, depth });
    return rule;
  }

  #define({ rule, parts, depth }: Open): void {
    const options = this.#optionsOf(parts, depth + 1);
    this.#rules.defineAlternatives(rule, options);
  }

  #optionsOf(parts: Parts, depth: number): readonly Expression[] {
    if (parts.includes(NEVER)) return [];
    if (saidOf(parts, "nullable").length > 0) {
      const rest = this.#ruleOfParts(this.#document.withoutAll(parts, "nullable"), depth);
      return isNullable(parts) ? [rest, text("null")] : [rest];
    }
    for (const part of parts) {
      for (const keyword of ["anyOf", "oneOf"]) {
        if (!(keyword in part)) continue;
        const list = listIn(part, keyword);
        return list.map((one) => this.#instead(parts, part, keyword, one, depth));
      }
    }
    const values = valuesOf(parts);
    if (values) return [textChoice(values, this.#rules)];
    const types = typesOf(parts);
    if (types === undefined) return [this.#json.value];
    return types.map((type) => this.#rules.add(this.#typed(type, parts, depth)));
  }

  /** What fits the parts, but in place of one's keyword a schema. */
  #instead(parts: Parts, part: Schema, keyword: string, schema: unknown, depth: number): Rule {
    return this.#ruleOfParts(this.#document.instead(parts, part, keyword, schema), depth);
  }

  #typed(type: JsonType, parts: Parts, depth: number): Expression {
    const json = this.#json;
    switch (type) {
      case "object":
        return this.#object(parts, depth);
      case "array":
        return this.#list(parts, depth);
      case "string":
        return this.#string(parts);
      case "integer":
        return integerGrammar(integerRange(boundsOf(parts)));
      case "number": {
        const bounds = boundsOf(parts);
        return bounds.least || bounds.most ? numberGrammar(bounds) : json.number;
      }
      case "boolean":
        return json.boolean;
      case "null":
        return text("null");
    }
  }

  #object(parts: Parts, depth: number): Expression {
    const schemas = propertiesOf(parts);
    const required = new Set(saidOf(parts, "required").flatMap(namesIn));
    const additional = saidOf(parts, "additionalProperties");
    const isClosed = additional.includes(false);
    const isOpen = !isClosed && (additional.length > 0 || saidOf(parts, "properties").length === 0);
    const keys = this.#document.partsOf(saidOf(parts, "propertyNames"));
    const names = valuesOf(keys)?.map((name): unknown => JSON.parse(name));
    // What is required or listed and not described comes too, unless it must not.
    for (const name of isClosed ? [] : [...namesIn(names), ...required]) {
      if (!schemas.has(name)) schemas.set(name, additional);
    }
    if (schemas.size === 0) {
      return this.#json.object(...this.#map(parts, { keys, isOpen, additional }, depth));
    }
    const properties = Array.from(
      schemas,
      ([name, values]): Property => ({
        name,
        value: this.#ruleFor(values, depth),
        isRequired: required.has(name),
      }),
    );
    const others = isOpen && !names ? this.#ruleFor(additional, depth) : undefined;
    return objectGrammar({ properties, additional: others }, this.#json, this.#rules);
  }

  /** The members of an object without a property whose name is known. */
  #map(
    parts: Parts,
    other: {
      readonly keys: Parts;
      readonly isOpen: boolean;
      readonly additional: readonly unknown[];
    },
    depth: number,
  ): readonly Member[] {
    const patterns = saidOf(parts, "patternProperties").filter(isSchema).flatMap(Object.entries);
    const members = patterns.map(([pattern, schema]: [string, unknown]) => ({
      key: this.#ruleOfParts([{ ...STRING, pattern }], depth),
      value: this.#ruleFor([schema], depth),
    }));
    const isOpen = other.isOpen && (members.length === 0 || other.additional.length > 0);
    if (!isOpen) return members;
    // Keys of another type are what numbers are in an object.
    const isText = typesOf(other.keys)?.includes("string") ?? true;
    const key = this.#ruleOfParts(isText ? [STRING, ...other.keys] : [STRING], depth);
    return [...members, { key, value: this.#ruleFor(other.additional, depth) }];
  }

  #list(parts: Parts, depth: number): Expression {
    const tuples = parts.map(tupleOf);
    const fixed = Math.max(...tuples.map(({ first }) => first.length));
    const least = Math.min(largestOf(parts, "minItems") ?? 0, REPETITIONS_MAX);
    const most = smallestOf(parts, "maxItems");
    if (most !== undefined && most < least) return NOTHING;
    const rest = tuples.flatMap((tuple) => tuple.rest);
    const atMost = most !== undefined && most <= REPETITIONS_MAX ? most : undefined;
    if (fixed === 0) return this.#json.list(this.#ruleFor(rest, depth), least, atMost);
    const entries = Array.from({ length: Math.min(fixed, most ?? fixed) }, (_, at) => {
      const schemas = tuples.flatMap(({ first, rest }) => (at < first.length ? [first[at]] : rest));
      return this.#ruleFor(schemas, depth);
    });
    const further = this.#further(rest, { least: least - fixed, most: atMost, fixed }, depth);
    const { comma, space } = this.#json;
    const list = entries.flatMap((entry, at) => (at === 0 ? [entry] : [comma, entry]));
    const inside = list.length === 0 ? [] : [...list, further, space];
    return sequence(text("["), space, ...inside, text("]"));
  }

  /** What comes after a tuple's own entries: nothing, unless it is described or there must be more. */
  #further(
    rest: readonly unknown[],
    count: { readonly least: number; readonly most: number | undefined; readonly fixed: number },
    depth: number,
  ): Expression {
    const least = Math.max(0, count.least);
    if (rest.length === 0 && least === 0) return sequence();
    const most = count.most === undefined ? undefined : Math.max(0, count.most - count.fixed);
    const entry = sequence(this.#json.comma, this.#ruleFor(rest, depth));
    return repetition(this.#rules.add(entry), least, rest.length === 0 ? least : most);
  }

  #string(parts: Parts): Expression {
    for (const pattern of saidOf(parts, "pattern")) {
      const content = typeof pattern === "string" && patternGrammar(pattern, this.#rules);
      if (content) return sequence(QUOTE, this.#rules.add(content), QUOTE);
    }
    for (const format of saidOf(parts, "format")) {
      const content = formatGrammar(format);
      if (content) return sequence(QUOTE, this.#rules.add(content), QUOTE);
    }
    const least = Math.min(largestOf(parts, "minLength") ?? 0, REPETITIONS_MAX);
    const most = smallestOf(parts, "maxLength");
    if (most !== undefined && most < least) return NOTHING;
    return this.#json.string(
      least,
      most !== undefined && most <= REPETITIONS_MAX ? most : undefined,
    );
  }
}

/**
 * OpenAPI's word: it widens the schema that it stands in. Beside a reference or `allOf` it is meant for what these lead to,
 * which comes after it.
 */
function isNullable(parts: Parts): boolean {
  const [first = {}] = parts;
  const isAround = first["nullable"] === true && ("$ref" in first || "allOf" in first);
  return isAround || parts.every((part) => part["nullable"] === true);
}

/** The values that `const`, `enum` and types leave, as JSON; undefined without any of the first two. */
function valuesOf(parts: Parts): readonly string[] | undefined {
  const lists = parts.flatMap((part) => [
    ...(Object.hasOwn(part, "const") ? [[part["const"]]] : []),
    ...(part["enum"] === undefined ? [] : [listIn(part, "enum")]),
  ]);
  const [first, ...others] = lists.map((list) => new Set(list.map((one) => JSON.stringify(one))));
  if (!first) return undefined;
  const values = [...others.reduce((all, list) => all.intersection(list), first)];
  const typed = ofTypes(values, parts);
  // A type that no value is of is a mistake, which llama.cpp overlooks.
  return typed.length > 0 ? typed : values;
}

/** What is said of each property, in the order in which they are named. */
function propertiesOf(parts: Parts): Map<string, readonly unknown[]> {
  const schemas = new Map<string, readonly unknown[]>();
  for (const properties of saidOf(parts, "properties")) {
    if (!isSchema(properties)) return refuse("properties must be an object");
    for (const [name, schema] of Object.entries(properties)) {
      schemas.set(name, [...(schemas.get(name) ?? []), schema]);
    }
  }
  return schemas;
}

function namesIn(required: unknown): readonly string[] {
  if (!Array.isArray(required)) return [];
  return required.filter((name: unknown) => typeof name === "string");
}

interface Tuple {
  readonly first: readonly unknown[];
  /** Of all further entries: a schema, or none. */
  readonly rest: readonly unknown[];
}

/** In 2020's words (`prefixItems`, `items`) or those from before (`items`, `additionalItems`). */
function tupleOf(part: Schema): Tuple {
  const { items, prefixItems, additionalItems } = part;
  const isOld = Array.isArray(items) && prefixItems === undefined;
  const first = isOld ? items : prefixItems === undefined ? [] : listIn(part, "prefixItems");
  const rest = isOld ? additionalItems : items;
  return { first, rest: rest === undefined || Array.isArray(rest) ? [] : [rest] };
}
