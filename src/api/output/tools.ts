import { isRecord } from "../json/decode.ts";
import { numberOf, parseJson } from "./exact-json.ts";
import { looseCollection } from "./loose-values.ts";

/** The tools that a request gives, by name, each with the JSON Schemas of its arguments. */
export type Tools = ReadonlyMap<string, Readonly<Record<string, unknown>>>;

/** What has no name cannot be called. */
export function toolsOf(definitions: readonly unknown[]): Tools {
  const tools = new Map<string, Readonly<Record<string, unknown>>>();
  for (const definition of definitions) {
    const { name, parameters } = recordOf(recordOf(definition)["function"]);
    if (typeof name === "string" && name !== "") {
      tools.set(name, recordOf(recordOf(parameters)["properties"]));
    }
  }
  return tools;
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/;

/**
 * The value of an argument that a model wrote as plain text, by the types that its schema allows. As Ollama reads it: what may
 * be a text is one only when it is nothing else, and `null`, `True` and `007` mean what they say.
 */
export function argumentOf(text: string, schema: unknown): unknown {
  const types = typesOf(schema);
  const word = text.trim().toLowerCase();
  if (word === "null") return null;
  if (types.has("boolean") && (word === "true" || word === "false")) return word === "true";
  if (NUMBER.test(word)) {
    const isInteger = types.has("integer") && Number.isInteger(Number(word));
    const number = types.has("number") || isInteger ? numberOf(word) : undefined;
    if (number !== undefined) return number;
  }
  const mayBeJson = types.has("array") || types.has("object") || types.has(UNNAMED);
  if (types.has("string") && !(mayBeJson && /^\s*[[{]/.test(text))) return text;
  return jsonOf(text);
}

function jsonOf(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    // As Python writes it, perhaps; and of anything else the tool may still know what to make.
    return looseCollection(text) ?? text;
  }
}

/** What a schema may allow without a name: it refers to another one. */
const UNNAMED = "$ref";
/** What tells types of a schema within. */
const LISTS = ["anyOf", "oneOf", "allOf"] as const;
const DEPTH_MAX = 8;

/** Also of the alternatives that it lists, and of the values. What says nothing means a text. */
function typesOf(schema: unknown): ReadonlySet<string> {
  const named = namesOf(schema, DEPTH_MAX);
  return new Set(named.length > 0 ? named : ["string"]);
}

function namesOf(schema: unknown, depthMax: number): string[] {
  const fields = recordOf(schema);
  const { type } = fields;
  // Ollama's clients also write the type itself among the alternatives.
  const inner = LISTS.flatMap((list) => fields[list] ?? []).flatMap((item) => {
    if (typeof item === "string") return [item];
    return depthMax > 0 ? namesOf(item, depthMax - 1) : [];
  });
  const own = [type].flat().filter((name) => typeof name === "string");
  if (own.length > 0) return [...own, ...inner];
  const listed: unknown = fields["enum"];
  const values: unknown[] = Array.isArray(listed) ? [...listed] : [];
  if ("const" in fields) values.push(fields["const"]);
  const refers = typeof fields[UNNAMED] === "string" ? [UNNAMED] : [];
  return [...inner, ...values.map(typeOf), ...refers];
}

/** In JSON Schema's words. */
function typeOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return isRecord(value) ? value : {};
}
