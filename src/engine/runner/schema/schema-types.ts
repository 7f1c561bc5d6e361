import { refuse } from "./schema-error.ts";
import { type Parts, type Schema, saidOf } from "./schema-parts.ts";
import { formatGrammar } from "./string-formats.ts";

const TYPES = ["object", "array", "string", "integer", "number", "boolean", "null"] as const;
export type JsonType = (typeof TYPES)[number];

/** What a schema without a type is of, by its first keyword here. */
const IMPLIED: readonly (readonly [type: JsonType, keywords: readonly string[]])[] = [
  ["object", ["properties", "additionalProperties", "required", "patternProperties"]],
  ["array", ["items", "prefixItems", "minItems", "maxItems"]],
  ["string", ["pattern", "minLength", "maxLength"]],
  ["number", ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]],
];

/** The types that all of the parts allow, or that they imply; undefined when none does. */
export function typesOf(parts: Parts): readonly JsonType[] | undefined {
  const implied = parts.map(impliedType).find((type) => type !== undefined);
  return saidTypes(parts) ?? (implied && [implied]);
}

function saidTypes(parts: Parts): readonly JsonType[] | undefined {
  const said = saidOf(parts, "type").map(typesIn);
  if (said.length === 0) return undefined;
  return said.reduce((all, types) =>
    all.flatMap((type) => {
      if (types.includes(type)) return [type];
      if (type === "integer" && types.includes("number")) return [type];
      return type === "number" && types.includes("integer") ? ["integer" as const] : [];
    }),
  );
}

/** The values, as JSON, that are of the parts' types. */
export function ofTypes(values: readonly string[], parts: Parts): readonly string[] {
  const types = saidTypes(parts);
  return types
    ? values.filter((value) => types.some((type) => TYPE_STARTS[type].test(value)))
    : values;
}

const TYPE_STARTS: Readonly<Record<JsonType, RegExp>> = {
  object: /^\{/,
  array: /^\[/,
  string: /^"/,
  // Digits and an exponent without a minus, as V8 writes whole numbers.
  integer: /^-?\d+(?:e\+\d+)?$|^-?\d\.\d+e\+\d+$/,
  number: /^[-\d]/,
  boolean: /^[tf]/,
  null: /^n/,
};

function typesIn(type: unknown): readonly JsonType[] {
  const list: readonly unknown[] = Array.isArray(type) && type.length > 0 ? type : [type];
  return list.map((one) => {
    const known = TYPES.find((type) => type === one);
    return known ?? refuse(`unknown type ${JSON.stringify(one)}`);
  });
}

function impliedType(part: Schema): JsonType | undefined {
  const found = IMPLIED.find(([, keywords]) => keywords.some((keyword) => keyword in part));
  return found?.[0] ?? (formatGrammar(part["format"]) ? "string" : undefined);
}
