import t from "tap";
import { parseJson } from "./exact-json.ts";
import { argumentOf, toolsOf } from "./tools.ts";

const exact = (number: string): unknown => parseJson(number);

type Row = readonly [what: string, schema: unknown, text: string, value: unknown];

/** As Ollama's parseValue has it (model/parsers/qwen3coder_test.go), but where a comment says otherwise. */
const ROWS: readonly Row[] = [
  ["no type", {}, "12", "12"],
  ["no schema", undefined, " \nx\n ", " \nx\n "],
  ["a text that looks like JSON", { type: "string" }, '{"a": 1}', '{"a": 1}'],
  ["a text that looks like a number", { type: "string" }, "12345", "12345"],
  ["nothing but spaces", { type: "string" }, "   ", "   "],
  ["the empty text", { type: "string" }, "", ""],
  ["null, whatever the type", { type: "string" }, "null", null],
  ["NULL", { type: "integer" }, "NULL", null],
  ["an integer", { type: "integer" }, "-100", -100],
  ["with zeros in front", { type: "integer" }, "007", 7],
  ["beyond 32 bits", { type: "integer" }, "2147483648", 2_147_483_648],
  ["beyond 64 bits", { type: "integer" }, "-12345678901234567890", exact("-12345678901234567890")],
  ["without end", { type: "number" }, "1e999", "1e999"],
  ["no number", { type: "integer" }, "many", "many"],
  ["a number", { type: "number" }, "3.14", 3.14],
  ["with an exponent", { type: "number" }, "1.5e-3", 0.0015],
  ["nearly a number", { type: "number" }, "3.14.159", "3.14.159"],
  ["true", { type: "boolean" }, "true", true],
  ["as Python writes it", { type: "boolean" }, "True", true],
  ["FALSE", { type: "boolean" }, "FALSE", false],
  // Ollama makes false of it: a tool that is told what the model said can do better.
  ["neither", { type: "boolean" }, "yes", "yes"],
  ["a list", { type: "array" }, '["a", 1, null]', ["a", 1, null]],
  ["an object", { type: "object" }, '{"a": {"b": 2}}', { a: { b: 2 } }],
  ["a list that does not end", { type: "array" }, "[1, 2", "[1, 2"],
  ["text or number: a number", { type: ["string", "number"] }, "42.5", 42.5],
  ["text or number: a text", { type: ["string", "number"] }, "hello", "hello"],
  ["text or integer: no integer", { type: ["string", "integer"] }, "42.5", "42.5"],
  ["text or boolean", { type: ["string", "boolean"] }, "false", false],
  ["integer or null", { type: ["integer", "null"] }, "123", 123],
  ["text or list: a list", { anyOf: [{ type: "array" }, { type: "string" }] }, "[1]", [1]],
  ["text or list: a text", { anyOf: [{ type: "array" }, { type: "string" }] }, "one", "one"],
  // From here on Ollama knows no type, and takes all for texts.
  ["alternatives that are values", { oneOf: [{ const: 1 }] }, "1", 1],
  ["a value of a list of numbers", { enum: [1, 2, null] }, "2", 2],
  ["a value of a list of texts", { enum: ["1", "2"] }, "2", "2"],
  ["another schema", { $ref: "#/$defs/place" }, '{"a": 1}', { a: 1 }],
  ["another schema, a number", { $ref: "#/$defs/place" }, "12", 12],
  ["another schema, a text", { $ref: "#/$defs/place" }, "Oslo 12", "Oslo 12"],
  ["a text or another schema", { anyOf: [{ type: "string" }, { $ref: "#" }] }, "12", "12"],
  ["a text or another schema: JSON", { anyOf: [{ type: "string" }, { $ref: "#" }] }, "[1]", [1]],
  ["all of some", { allOf: [{ $ref: "#" }, { description: "x" }] }, '{"a": 1}', { a: 1 }],
  ["all of some: a text", { allOf: [{ type: "string" }] }, "12", "12"],
  ["within each other", { anyOf: [{ allOf: [{ type: "integer" }] }] }, "12", 12],
  ["a dict of Python's", { type: "object" }, "{'a': True}", { a: true }],
  ["a list of Python's", { type: "array" }, "['a', None,]", ["a", null]],
];

t.test("what a model wrote as plain text, by its schema", (t) => {
  for (const [what, schema, text, value] of ROWS) t.same(argumentOf(text, schema), value, what);
  t.end();
});

t.test("tools by their names", (t) => {
  const schema = { type: "string" };
  const named = { function: { name: "a", parameters: { properties: { x: schema } } } };
  const tools = toolsOf([named, { function: { name: "b" } }, { function: { name: "" } }, null, 1]);
  t.same(
    [...tools],
    [
      ["a", { x: schema }],
      ["b", {}],
    ],
  );
  t.end();
});
