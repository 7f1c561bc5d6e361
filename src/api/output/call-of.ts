import type { ToolCall } from "../../core/inference.ts";
import { isRecord } from "../json/decode.ts";
import { parseJson } from "./exact-json.ts";
import { looseObject } from "./loose-values.ts";
import type { Tools } from "./tools.ts";

type Values = Readonly<Record<string, unknown>>;

/**
 * The call that a JSON object describes, in the words of any family: `name` (Llama also `function`, Command `tool_name`), with
 * `arguments` or `parameters`, at the top or under `function`. Undefined when it is none.
 */
export function callOf(json: string | undefined): ToolCall | undefined {
  const given = objectOf(json);
  return given && described(given);
}

/** All that such an object has when it is a call and nothing else. */
const CALL_KEYS: ReadonlySet<string> = new Set([
  ...["name", "function", "tool_name", "arguments", "parameters", "type", "id", "tool_call_id"],
]);

/**
 * The same where no mark tells a call from an answer in JSON: of a tool that was given, with nothing that a call does not have,
 * and with arguments if the tool takes any.
 */
export function plainCallOf(json: string | undefined, tools: Tools): ToolCall | undefined {
  const given = objectOf(json);
  const call = given && described(given);
  const schemas = call && tools.get(call.name);
  if (!schemas) return undefined;
  const inner = given["function"];
  const all = isRecord(inner) ? { ...given, ...inner } : given;
  if (Object.keys(all).some((key) => !CALL_KEYS.has(key))) return undefined;
  const hasArguments = "arguments" in all || "parameters" in all;
  return hasArguments || Object.keys(schemas).length === 0 ? call : undefined;
}

/** `{"name": {…}}`. */
export function keyCallOf(json: string | undefined): ToolCall | undefined {
  const [call, ...more] = Object.entries(objectOf(json) ?? {});
  if (!call || more.length > 0) return undefined;
  const values = valuesOf(call[1]);
  return values && { name: call[0], arguments: values };
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

function described(given: Values): ToolCall | undefined {
  const call = isRecord(given["function"]) ? given["function"] : given;
  const name = textOf(call["name"]) ?? textOf(call["function"]) ?? textOf(call["tool_name"]);
  const id = textOf(given["id"]);
  const written = call["arguments"] ?? call["parameters"] ?? {};
  const values = typeof written === "string" ? objectOf(written || "{}") : valuesOf(written);
  if (name === undefined || !values) return undefined;
  return { ...(id !== undefined && { id }), name, arguments: values };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** A number as it was written is an object, too. */
function valuesOf(value: unknown): Values | undefined {
  return isRecord(value) && !JSON.isRawJSON(value) ? value : undefined;
}

function objectOf(json: string | undefined): Values | undefined {
  if (json === undefined) return undefined;
  try {
    return valuesOf(parseJson(json));
  } catch {
    return looseObject(json); // Models write what is nearly JSON; what is not even that is text.
  }
}
