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

/** The value of an argument that a model wrote as plain text: JSON, unless it may be a text. */
export function argumentOf(text: string, schema: unknown): unknown {
  const { type } = recordOf(schema);
  const types = typeof type === "string" ? [type] : Array.isArray(type) ? type : ["string"];
  if (types.includes("string")) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text; // The tool may still know what to make of it.
  }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return isRecord(value) ? value : {};
}
