import { AppError } from "../../core/errors.ts";

/** A JSON Schema in the subset that node-llama-cpp makes grammars from. */
export type GrammarSchema = Readonly<Record<string, unknown>>;
type Schema = Readonly<Record<string, unknown>>;

export class JsonSchemaError extends AppError<"INVALID_SCHEMA"> {}

const SIMPLE_TYPES = ["string", "number", "integer", "boolean", "null"];
const DEPTH_MAX = 64;
/** llama.cpp refuses grammars that repeat a rule too often; a larger minimum is cut to this, a larger maximum left out. */
const REPETITIONS_MAX = 500;

/**
 * Rewrites a JSON Schema into that subset: `anyOf` becomes `oneOf`, `definitions` become `$defs`, lists of types become
 * alternatives, an empty schema any value, an `allOf` one object. What a grammar cannot express (`pattern`, `minimum`, `not`)
 * is left to the model, as in llama.cpp; every property is required, since optional ones cannot be expressed.
 */
export function toGrammarSchema(schema: unknown, depth = 0): GrammarSchema {
  if (depth > DEPTH_MAX)
    throw new JsonSchemaError("INVALID_SCHEMA", "the schema is nested too deeply");
  if (schema === true) return anyValue();
  if (!isSchema(schema)) throw new JsonSchemaError("INVALID_SCHEMA", "a schema must be an object");
  const inner = (part: unknown): GrammarSchema => toGrammarSchema(part, depth + 1);
  const definitions = definitionsOf(schema, inner);
  const shape = shapeOf(schema, inner);
  return definitions ? { ...shape, $defs: definitions } : shape;
}

type Inner = (part: unknown) => GrammarSchema;

function shapeOf(schema: Schema, inner: Inner): GrammarSchema {
  if (typeof schema["$ref"] === "string") {
    return { $ref: schema["$ref"].replace("#/definitions/", "#/$defs/") };
  }
  const alternatives = schema["oneOf"] ?? schema["anyOf"];
  if (alternatives !== undefined) return { oneOf: listOf(alternatives, "oneOf").map(inner) };
  if (schema["allOf"] !== undefined) return shapeOf(merged(schema), inner);
  if ("const" in schema) return { const: schema["const"] };
  if (schema["enum"] !== undefined) return { enum: listOf(schema["enum"], "enum") };
  const type = schema["type"] ?? impliedType(schema);
  if (type === undefined) return anyValue();
  if (Array.isArray(type)) {
    return { oneOf: type.map((one: unknown) => typed(one, schema, inner)) };
  }
  return typed(type, schema, inner);
}

function typed(type: unknown, schema: Schema, inner: Inner): GrammarSchema {
  if (type === "object") return objectShape(schema, inner);
  if (type === "array") return arrayShape(schema, inner);
  if (typeof type !== "string" || !SIMPLE_TYPES.includes(type)) {
    throw new JsonSchemaError("INVALID_SCHEMA", `unknown type ${JSON.stringify(type)}`);
  }
  if (type !== "string") return { type };
  const format = schema["format"];
  if (format === "date-time" || format === "time" || format === "date") return { type, format };
  return { type, ...bounds(schema, "minLength", "maxLength") };
}

function objectShape(schema: Schema, inner: Inner): GrammarSchema {
  const properties = schema["properties"] ?? {};
  if (!isSchema(properties))
    throw new JsonSchemaError("INVALID_SCHEMA", "properties must be an object");
  const names = Object.keys(properties);
  const additional = schema["additionalProperties"];
  return {
    type: "object",
    properties: Object.fromEntries(names.map((name) => [name, inner(properties[name])])),
    ...(isSchema(additional) && { additionalProperties: inner(additional) }),
    ...((additional === true || (additional === undefined && names.length === 0)) && {
      additionalProperties: true,
    }),
    ...bounds(schema, "minProperties", "maxProperties"),
  };
}

function arrayShape(schema: Schema, inner: Inner): GrammarSchema {
  const { items, prefixItems } = schema;
  return {
    type: "array",
    ...(items !== undefined && items !== true && { items: inner(items) }),
    ...(prefixItems !== undefined && {
      prefixItems: listOf(prefixItems, "prefixItems").map(inner),
    }),
    ...bounds(schema, "minItems", "maxItems"),
  };
}

function anyValue(): GrammarSchema {
  return {
    oneOf: [
      { type: SIMPLE_TYPES },
      { type: "array" },
      { type: "object", additionalProperties: true },
    ],
  };
}

function impliedType(schema: Schema): string | undefined {
  if (schema["properties"] !== undefined || schema["additionalProperties"] !== undefined) {
    return "object";
  }
  return schema["items"] !== undefined || schema["prefixItems"] !== undefined ? "array" : undefined;
}

/** The parts of an `allOf` as one schema, their properties together. */
function merged({ allOf, ...own }: Schema): Schema {
  const parts = [own, ...listOf(allOf, "allOf").filter(isSchema)];
  const properties = Object.assign({}, ...parts.map((part) => part["properties"] ?? {}));
  const whole: Record<string, unknown> = Object.assign({}, ...parts);
  return Object.keys(properties).length > 0 ? { ...whole, properties } : whole;
}

function definitionsOf(schema: Schema, inner: Inner): GrammarSchema | undefined {
  const definitions = schema["$defs"] ?? schema["definitions"];
  if (!isSchema(definitions)) return undefined;
  return Object.fromEntries(
    Object.entries(definitions).map(([name, definition]) => [name, inner(definition)]),
  );
}

function bounds(schema: Schema, minimum: string, maximum: string): GrammarSchema {
  const least = countIn(schema, minimum);
  const most = countIn(schema, maximum);
  return {
    ...(least !== undefined && { [minimum]: Math.min(least, REPETITIONS_MAX) }),
    ...(most !== undefined && most <= REPETITIONS_MAX && { [maximum]: most }),
  };
}

function countIn(schema: Schema, name: string): number | undefined {
  const value = schema[name];
  return typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : undefined;
}

function listOf(value: unknown, name: string): readonly unknown[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw new JsonSchemaError("INVALID_SCHEMA", `${name} must be a list with at least one entry`);
  }
  return value;
}

function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
