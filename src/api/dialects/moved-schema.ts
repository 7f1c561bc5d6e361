import { isRecord } from "../json/decode.ts";

type Schema = Readonly<Record<string, unknown>>;

/** Their values are data, whatever it looks like. */
const DATA = new Set(["const", "enum", "default", "example", "examples"]);
/** Their values are schemas by names, which may be called as a keyword is. */
const NAMED = new Set([
  ...["properties", "patternProperties", "$defs", "definitions"],
  ...["dependentSchemas", "dependencies"],
]);

/**
 * A schema that is no longer the whole document but a part of one, at `place`: references are from the root of theirs, and
 * still lead to what they did.
 */
export function movedSchema(schema: Schema, place: string): Schema {
  return mapped(schema, (keyword, value) => {
    if (DATA.has(keyword)) return value;
    if (keyword === "$ref" && typeof value === "string") return movedReference(value, place);
    if (!NAMED.has(keyword) || !isRecord(value)) return movedValue(value, place);
    return mapped(value, (_, inner) => movedValue(inner, place));
  });
}

/** A list stands for its schemas, and what is none for itself. */
function movedValue(value: unknown, place: string): unknown {
  if (Array.isArray(value)) return value.map((one: unknown) => movedValue(one, place));
  return isRecord(value) ? movedSchema(value, place) : value;
}

function movedReference(reference: string, place: string): string {
  const isFromRoot = reference === "#" || reference.startsWith("#/");
  return isFromRoot ? place + reference.slice(1) : reference;
}

function mapped(schema: Schema, change: (keyword: string, value: unknown) => unknown): Schema {
  return Object.fromEntries(
    Object.entries(schema).map(([keyword, value]) => [keyword, change(keyword, value)]),
  );
}
