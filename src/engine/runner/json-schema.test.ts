import t from "tap";
import { toGrammarSchema } from "./json-schema.ts";

const ANY = {
  oneOf: [
    { type: ["string", "number", "integer", "boolean", "null"] },
    { type: "array" },
    { type: "object", additionalProperties: true },
  ],
};

t.test("JSON Schema in the grammar's subset", (t) => {
  const rows: readonly [unknown, unknown][] = [
    [{ type: "string", pattern: "^a" }, { type: "string" }],
    [
      { type: "string", minLength: 2, maxLength: 9_999 },
      { type: "string", minLength: 2 },
    ],
    [
      { type: "string", format: "date" },
      { type: "string", format: "date" },
    ],
    [{ enum: ["a", 1, null] }, { enum: ["a", 1, null] }],
    [{ const: "a" }, { const: "a" }],
    [{}, ANY],
    [true, ANY],
    [
      { properties: { a: { type: "integer" } }, required: ["a"] },
      { type: "object", properties: { a: { type: "integer" } } },
    ],
    [{ type: "object" }, { type: "object", properties: {}, additionalProperties: true }],
    [
      { type: "array", items: { type: "number" }, minItems: 1 },
      { type: "array", items: { type: "number" }, minItems: 1 },
    ],
    [
      { anyOf: [{ type: "string" }, { type: "null" }] },
      { oneOf: [{ type: "string" }, { type: "null" }] },
    ],
    [
      { type: ["string", "null"], minLength: 1 },
      { oneOf: [{ type: "string", minLength: 1 }, { type: "null" }] },
    ],
    [
      { allOf: [{ properties: { a: { type: "null" } } }, { properties: { b: { type: "null" } } }] },
      { type: "object", properties: { a: { type: "null" }, b: { type: "null" } } },
    ],
    [
      { $ref: "#/definitions/x", definitions: { x: { type: "boolean" } } },
      { $ref: "#/$defs/x", $defs: { x: { type: "boolean" } } },
    ],
  ];
  for (const [schema, expected] of rows) {
    t.same(toGrammarSchema(schema), expected, JSON.stringify(schema));
  }
  t.end();
});

t.test("what is no schema", (t) => {
  const deep = Array.from({ length: 100 }).reduce<unknown>((items) => ({ items }), {});
  const rows = [1, "xml", null, [], { type: "banana" }, { anyOf: [] }, { items: 7 }, deep];
  for (const schema of rows) {
    t.throws(
      () => toGrammarSchema(schema),
      { code: "INVALID_SCHEMA" },
      JSON.stringify(schema).slice(0, 60),
    );
  }
  t.end();
});
