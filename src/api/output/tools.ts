import { isRecord } from "../json/decode.ts";

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
    const number = Number(word);
    if (types.has("number") || (types.has("integer") && Number.isInteger(number))) return number;
  }
  const mayBeJson = types.has("array") || types.has("object");
  if (types.has("string") && !(mayBeJson && /^\s*[[{]/.test(text))) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text; // The tool may still know what to make of it.
  }
}

/** Also of the alternatives that it lists. What says nothing means a text. */
function typesOf(schema: unknown): ReadonlySet<string> {
  const { type, anyOf, oneOf } = recordOf(schema);
  const named = [type, anyOf, oneOf]
    .flat()
    .flatMap((item) => (isRecord(item) ? [item["type"]].flat() : [item]))
    .filter((item) => typeof item === "string");
  return new Set(named.length > 0 ? named : ["string"]);
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return isRecord(value) ? value : {};
}
