import type { ToolCall } from "../../core/inference.ts";
import { isRecord } from "../json/decode.ts";

/**
 * The call that a JSON object describes, in the words of any family: `name` (Llama also `function`, Command `tool_name`), with
 * `arguments` or `parameters`, at the top or under `function`. Undefined when it is none.
 */
export function callOf(json: string | undefined): ToolCall | undefined {
  const given = objectOf(json);
  if (!given) return undefined;
  const call = isRecord(given["function"]) ? given["function"] : given;
  const name = textOf(call["name"]) ?? textOf(call["function"]) ?? textOf(call["tool_name"]);
  const id = textOf(given["id"]);
  const written = call["arguments"] ?? call["parameters"] ?? {};
  const values = typeof written === "string" ? objectOf(written) : written;
  if (name === undefined || !isRecord(values)) return undefined;
  return { ...(id !== undefined && { id }), name, arguments: values };
}

/** A call whose name stands beside its arguments. */
export function namedCall(
  name: string,
  json: string | undefined,
  id?: string,
): ToolCall | undefined {
  const values = objectOf(json);
  return values && { ...(id !== undefined && { id }), name, arguments: values };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function objectOf(json: string | undefined): Readonly<Record<string, unknown>> | undefined {
  if (json === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(json);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined; // Models write what looks like JSON: then it is text.
  }
}
