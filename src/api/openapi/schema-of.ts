import type { Shape } from "../json/decode.ts";

/** A JSON Schema, 2020-12, as OpenAPI 3.1 has them. */
export type Schema = Readonly<Record<string, unknown>>;

/** What the shapes that read a value themselves take, by their names for the type. */
const CUSTOM: Readonly<Record<string, Schema>> = {
  int: { type: "integer" },
  float64: { type: "number" },
  "api.Duration": {
    type: ["string", "number"],
    description: "such as 5m, or seconds; negative: for ever",
  },
  "api.ThinkValue": {
    type: ["boolean", "string"],
    enum: [true, false, "low", "medium", "high", "max"],
  },
  "api.ImageData": { type: "string", contentEncoding: "base64" },
  "api.Tool": { type: "object" },
  "map[string]interface {}": { type: "object" },
  "map[string]string": { type: "object", additionalProperties: { type: "string" } },
};

/** The schema of what a shape decodes. A value may always be null, which leaves it unset. */
export function schemaOf(shape: Shape): Schema {
  if (shape === "any") return {};
  if (shape === "bool") return { type: ["boolean", "null"] };
  if (shape === "int") return { type: ["integer", "null"] };
  if (shape === "string") return { type: ["string", "null"] };
  if ("list" in shape) return { type: ["array", "null"], items: schemaOf(shape.list) };
  if ("fields" in shape) return { type: "object", properties: propertiesOf(shape.fields) };
  const known = CUSTOM[shape.type];
  if (!known) throw new TypeError(`no schema for ${shape.type}: add it to openapi/schema-of.ts`);
  return known;
}

function propertiesOf(fields: Readonly<Record<string, Shape>>): Schema {
  return Object.fromEntries(Object.entries(fields).map(([name, shape]) => [name, schemaOf(shape)]));
}
