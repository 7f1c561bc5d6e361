import { type GoValue, isObject, withZeros } from "./values.ts";

/** Fields of Ollama's types which a client need not send (its api/types.go). */
const TOOL = { Type: "", Function: null };
const FUNCTION = { Name: "", Description: "", Parameters: null };
const PARAMETERS = { Type: "", Required: [], Properties: {} };
const PROPERTY = { Type: "", Description: "", Enum: [], AnyOf: [], Items: null };

/** A tool as a template of Go sees it. */
export function toolStruct(tool: GoValue): GoValue {
  return struct(tool, TOOL, "function", (called) =>
    struct(called, FUNCTION, "parameters", (parameters) =>
      struct(parameters, PARAMETERS, "properties", propertiesOf),
    ),
  );
}

function propertiesOf(value: GoValue): GoValue {
  if (!isObject(value)) return value;
  const properties = Object.entries(value).map(([name, property]) => [
    name,
    struct(property, PROPERTY),
  ]);
  return Object.fromEntries(properties);
}

/** What is no object stays as it is. */
function struct(
  value: GoValue,
  zeros: { readonly [name: string]: GoValue },
  field = "",
  inner: (value: GoValue) => GoValue = (same) => same,
): GoValue {
  if (!isObject(value)) return value;
  const entries = Object.entries(value).map(([key, of]) => [key, key === field ? inner(of) : of]);
  return withZeros(Object.fromEntries(entries), zeros);
}
