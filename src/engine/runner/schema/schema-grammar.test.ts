import { getLlama } from "node-llama-cpp";
import t from "tap";
import { schemaGrammar } from "./schema-grammar.ts";

// llama.cpp itself tells which texts a grammar takes.
const llama = await getLlama({ gpu: false, build: "never", skipDownload: true });

async function takerOf(schema: unknown): Promise<(text: string) => boolean> {
  const grammar = await llama.createGrammar({ grammar: schemaGrammar(schema) });
  const tested = grammar as unknown as { _testText(text: string): boolean };
  return (text) => tested._testText(text);
}

type Row = readonly [schema: unknown, fitting: readonly string[], others: readonly string[]];

const string = { type: "string" };
const integer = { type: "integer" };
const bound = (bounds: object) => ({ type: "integer", ...bounds });
const object = (properties: object, required: readonly string[] = [], more = {}) => ({
  ...{ type: "object", properties, required },
  ...more,
});
const AB = { a: integer, b: integer };
const NODE = object({ next: { anyOf: [{ $ref: "#/$defs/node" }, { type: "null" }] } }, ["next"]);
const TREE = object({ children: { type: "array", items: { $ref: "#" } } }, ["children"]);

const OBJECTS: readonly Row[] = [
  [object(AB), ["{}", '{"a":1}', '{"b":1}', '{"a":1,"b":2}', '{\n  "a": 1,\n  "b": 2\n}'], []],
  [object(AB), [], ['{"b":1,"a":1}', '{"a":1,}', '{,"a":1}', '{"c":1}', '{"a":1,"a":1}', "[]"]],
  [object(AB, ["a"]), ['{"a":1}', '{"a":1,"b":2}'], ["{}", '{"b":2}']],
  [object(AB, ["b"]), ['{"b":1}', '{"a":1,"b":2}'], ["{}", '{"a":2}']],
  [object(AB, ["a", "b"]), ['{"a":1,"b":2}'], ["{}", '{"a":1}', '{"b":2}']],
  [object({}), ["{}", "{ }"], ['{"a":1}']],
  [{ type: "object" }, ["{}", '{"a":[{}]}'], ["[]", "1"]],
  [{ type: "object", additionalProperties: false }, ["{}"], ['{"a":1}']],
  [{ additionalProperties: integer }, ["{}", '{"a":1,"b":2}'], ['{"a":""}']],
  [{ type: "object", required: ["a"] }, ['{"a":{}}', '{"a":1,"b":2}'], ["{}", '{"b":1}']],
  [object({ a: integer }, ["b"]), ['{"b":[]}', '{"a":1,"b":""}'], ["{}", '{"b":1,"c":1}']],
  [
    object({ ab: integer, a: integer }, [], { additionalProperties: string }),
    ['{"ab":1,"a":1,"abc":"","":""}', '{"\\n":"","b":""}', '{"\\"":"\\u0041"}'],
    ['{"ab":""}', '{"abc":"","ab":""}', '{"c":"","\\u0061":""}', '{"c":1}'],
  ],
  [object({ 'q"\\\n': integer }), ['{"q\\"\\\\\\n":1}'], ['{"q":1}']],
  [object({ a: false, b: integer }), ["{}", '{"b":1}'], ['{"a":1}']],
  [{ type: null, properties: { a: integer }, required: null, enum: null }, ["{}"], ["[]"]],
  [{ ...object(AB), additionalProperties: null, title: null }, ["{}"], ['{"c":1}']],
  [{ type: "object", properties: null, $defs: null }, ['{"a":1}'], ["1"]],
  [object(AB, [], { anyOf: [{ required: ["a"] }, { required: ["b"] }] }), ['{"a":1}'], ["{}"]],
];

/** Of objects as dictionaries: TypeBox's records, zod's, and pydantic's of literals. */
const MAPS: readonly Row[] = [
  [{ patternProperties: { "^(.*)$": integer } }, ["{}", '{"a":1,"":2}'], ['{"a":""}']],
  [{ patternProperties: { "^x$": integer, "^[0-9]+$": string } }, ['{"1":"","x":1}'], ['{"y":1}']],
  [{ patternProperties: { a: integer }, additionalProperties: false }, ['{"a":1}'], ['{"a":""}']],
  [
    { patternProperties: { "^x$": integer }, additionalProperties: string },
    ['{"x":1,"y":""}'],
    ['{"y":1}'],
  ],
  [object({ a: integer }, [], { patternProperties: { "^x$": integer } }), ['{"a":1}'], ['{"x":1}']],
  [
    { propertyNames: { enum: ["a", "b"] }, additionalProperties: integer },
    ["{}", '{"b":1}', '{"a":1,"b":2}'],
    ['{"c":1}', '{"a":1,"a":1}', '{"a":""}'],
  ],
  [
    { propertyNames: { const: "a" }, additionalProperties: integer, required: ["a"] },
    ['{"a":1}'],
    ["{}", '{"b":1}'],
  ],
  [
    { propertyNames: { pattern: "^[a-z]+$" }, additionalProperties: integer },
    ['{"a":1,"bc":1}'],
    ['{"A":1}', '{"":1}'],
  ],
  [{ type: "object", propertyNames: { minLength: 2 } }, ['{"ab":[]}'], ['{"a":[]}']],
  [{ propertyNames: { type: "number" }, additionalProperties: integer }, ['{"1":1}'], ['{"1":""}']],
  [object({ a: integer }, [], { propertyNames: { enum: ["a"] } }), ['{"a":1}'], ['{"b":1}']],
];

const REFERENCES: readonly Row[] = [
  [
    { $ref: "#/$defs/node", $defs: { node: NODE } },
    ['{"next":null}', '{"next":{"next":{"next":null}}}'],
    ['{"next":{}}', "null"],
  ],
  [
    TREE,
    ['{"children":[]}', '{"children":[{"children":[]},{"children":[]}]}'],
    ['{"children":[1]}'],
  ],
  [
    { $ref: "#/definitions/a/properties/b", definitions: { a: object({ b: integer }) } },
    ["1"],
    ["{}"],
  ],
  [{ $ref: "#/$defs/a~1b~0%25%20c", $defs: { "a/b~% c": integer } }, ["1"], ['""']],
  [{ $ref: "#/anyOf/1", anyOf: [string, integer] }, ["1"], ['""']],
  [
    { $ref: "#/$defs/a", description: "x", $defs: { a: { $ref: "#/$defs/b" }, b: integer } },
    ["1"],
    [],
  ],
  [
    { allOf: [{ $ref: "#/$defs/a" }], maximum: 3, $defs: { a: bound({ minimum: 2 }) } },
    ["2", "3"],
    ["1", "4"],
  ],
  [
    { $id: "T0", ...object({ next: { $ref: "T0" } }) },
    ["{}", '{"next":{"next":{}}}'],
    ['{"next":1}'],
  ],
  [
    { $ref: "A", $defs: { A: { $id: "A", items: { $ref: "B" } }, B: { $id: "B", ...integer } } },
    ["[1]"],
    ['[""]'],
  ],
  [object({ a: { $ref: "#/$defs/b", $defs: { b: integer } } }), ['{"a":1}'], ['{"a":""}']],
  [{ $ref: "http://a/b#/$defs/c", $defs: { c: integer }, $id: "http://a/b" }, ["1"], ['""']],
  [object({ $ref: string }), ['{"$ref":""}'], ['{"$ref":1}']],
  [{ enum: [{ $ref: "#/nowhere" }] }, ['{"$ref":"#/nowhere"}'], []],
];

const NUMBERS: readonly Row[] = [
  [integer, ["0", "-1", "10", "9999999999999999"], ["-0", "01", "1.0", "1e3", "12345678901234567"]],
  [bound({ minimum: 1, maximum: 5 }), ["1", "5"], ["0", "6", "-1", "10"]],
  [bound({ minimum: -13, maximum: 120 }), ["-13", "-9", "0", "99", "120"], ["-14", "121", "-0"]],
  [bound({ exclusiveMinimum: 0, exclusiveMaximum: 11 }), ["1", "10"], ["0", "11"]],
  [bound({ minimum: 5, exclusiveMinimum: true }), ["6"], ["5"]],
  [bound({ minimum: 1.5, maximum: 3.5 }), ["2", "3"], ["1", "4"]],
  [bound({ minimum: 95, maximum: 1023 }), ["95", "100", "999", "1023"], ["94", "1024", "9"]],
  [bound({ maximum: -7 }), ["-7", "-10", "-123456"], ["-6", "0", "7"]],
  [bound({ minimum: 1e17 }), ["100000000000000000"], ["99999999999999999"]],
  [bound({ minimum: -1e300, maximum: 1e300 }), ["1", "-1"], ["12345678901234567"]],
  [
    { type: "number" },
    ["0", "-1.5", "0.25", "1e9", "2E-5"],
    ["-0", "1.", ".5", "+1", "01", "1e100"],
  ],
  [{ type: "number", minimum: 0, maximum: 1 }, ["0", "1", "0.5", "1.0"], ["-0.5", "1.1", "2"]],
  [{ minimum: -2, exclusiveMaximum: 0 }, ["-2", "-0.5", "-1.25"], ["0", "-2.5", "-0.0", "-0"]],
  [{ type: "number", exclusiveMinimum: 0 }, ["0.01", "1", "1000.5"], ["0", "0.00", "-1"]],
];

const STRINGS: readonly Row[] = [
  [string, ['""', '"é😀\\n\\u0041\\ud83d\\ude00"'], ['"\n"', '"\\x"', '"\\ud83d"', '"', '"""']],
  [{ type: "string", minLength: 2, maxLength: 3 }, ['"ab"', '"\\n\\"😀"'], ['"a"', '"abcd"']],
  [{ minLength: 1 }, ['"a"'], ['""']],
  [{ maxLength: 1_500 }, [`"${"a".repeat(1_500)}"`], [`"${"a".repeat(1_501)}"`]],
  [{ type: "string", format: "date" }, ['"2024-02-29"', '"2026-12-31"', '"2000-02-29"'], []],
  [
    { type: "string", format: "date" },
    ['"2026-04-30"'],
    ['"2026-02-29"', '"2026-04-31"', '"1900-02-29"', '"2026-13-01"', '"2026-00-10"'],
  ],
  [{ format: "time" }, ['"23:59:59Z"', '"00:00:00.5+01:30"'], ['"24:00:00Z"', '"10:00:00"']],
  [{ type: "string", format: "date-time" }, ['"2026-11-30T13:39:15Z"'], ['"2026-11-30"']],
  [
    { type: "string", format: "uuid" },
    ['"123e4567-e89b-12d3-a456-426614174000"'],
    ['"123e4567e89b12d3a456426614174000"', '"g23e4567-e89b-12d3-a456-426614174000"'],
  ],
  [{ format: "uuid4" }, ['"123e4567-e89b-42d3-a456-426614174000"'], ['"123"']],
  [{ type: "string", format: "email" }, ['"anything"'], ["1"]],
];

const CHOICES: readonly Row[] = [
  [{ enum: ["a", 1, null, { b: [1] }, "\n"] }, ['"a"', "1", "null", '{"b":[1]}', '"\\n"'], ['"b"']],
  [{ enum: ["red", "reddish", "blue"] }, ['"red"', '"reddish"', '"blue"'], ['"re"', '"redd"']],
  [{ const: -0.5 }, ["-0.5"], ["0.5"]],
  [{ type: "string", enum: ["a", 1] }, ['"a"'], ["1"]],
  [{ type: "string", enum: [1] }, ["1"], []],
  [{ type: ["string", "null"], minLength: 1 }, ['"a"', "null"], ['""']],
  [{ oneOf: [integer, { type: "boolean" }] }, ["1", "true"], ['""']],
  [{ type: "integer", nullable: true }, ["1", "null"], ['""']],
  [{ allOf: [{ enum: ["a"] }], nullable: true }, ['"a"', "null"], ['"b"']],
  [{ allOf: [{ type: "number" }, bound({ minimum: 3 })] }, ["3"], ["2", "3.5"]],
  [{ allOf: [object({ a: integer }, ["a"]), object({ b: integer })] }, ['{"a":1,"b":2}'], ["{}"]],
  [
    { allOf: [object({ a: bound({ minimum: 5 }) }), object({ a: bound({ maximum: 6 }) })] },
    ['{"a":5}'],
    ['{"a":4}'],
  ],
  [true, ["1", "[]", "{}", '"a"', "null", "false"], ["", " 1", "1 "]],
  [{}, ["1", "[[],{}]"], ["nul"]],
  [{ anyOf: [false, integer] }, ["1"], ['""']],
  [{ anyOf: [{ anyOf: [{ not: {} }, string] }, { type: "null" }] }, ['""', "null"], ["1", "{}"]],
  [object({ a: { not: {} }, b: { not: integer } }), ["{}", '{"b":""}'], ['{"a":1}']],
];

const LISTS: readonly Row[] = [
  [{ items: integer }, ["[]", "[1]", "[1, 2,\n 3]"], ['[""]', "[1,]", "[,1]"]],
  [{ type: "array", minItems: 1, maxItems: 2 }, ["[1]", '["",{}]'], ["[]", "[1,2,3]"]],
  [{ type: "array", items: integer, maxItems: 0 }, ["[]"], ["[1]"]],
  [{ type: "array", items: false }, ["[]"], ["[1]"]],
  [{ prefixItems: [integer, string] }, ['[1,""]'], ["[1]", '["",1]', '[1,"",1]']],
  [{ prefixItems: [integer], items: string }, ["[1]", '[1,"",""]'], ["[]", "[1,1]"]],
  [{ prefixItems: [integer], items: false }, ["[1]"], ["[]", "[1,1]"]],
  [{ items: [integer, string], additionalItems: integer }, ['[1,"",2]'], ["[1]"]],
  [
    { prefixItems: [integer], items: string, minItems: 2, maxItems: 3 },
    ['[1,""]'],
    ["[1]", '[1,"","",""]'],
  ],
  [
    { items: integer, maxItems: 1_999 },
    ["[]", `[1${",1".repeat(1_998)}]`],
    [`[1${",1".repeat(1_999)}]`],
  ],
  [{ items: { const: null }, minItems: 1, maxItems: null }, ["[null,null]"], ["[]"]],
  [{ type: "array", minItems: 1e9, maxItems: 1e12 }, [], ["[]", "[1]"]],
];

for (const [what, rows] of Object.entries({
  OBJECTS,
  MAPS,
  REFERENCES,
  NUMBERS,
  STRINGS,
  CHOICES,
  LISTS,
})) {
  t.test(what.toLowerCase(), async (t) => {
    for (const [schema, fitting, others] of rows) {
      const takes = await takerOf(schema);
      for (const text of fitting) t.ok(takes(text), `${JSON.stringify(schema)} takes ${text}`);
      for (const text of others) t.notOk(takes(text), `${JSON.stringify(schema)} not ${text}`);
    }
  });
}

t.test("what no grammar can be written of", (t) => {
  const deep = Array.from({ length: 100 }).reduce<unknown>((items) => ({ items }), {});
  const refusing: readonly unknown[] = [
    ...[1, "xml", null, [], { type: "banana" }, { type: [] }, { anyOf: [] }, { items: 7 }, deep],
    ...[{ properties: 1 }, { prefixItems: [] }, { enum: [] }, { allOf: {} }],
    ...[{ $ref: "#/$defs/a" }, { $ref: "https://json-schema.org/draft/2020-12/schema" }],
    ...[{ $ref: "#a", $defs: { a: { $anchor: "a" } } }, { $ref: "#/toString" }, { $ref: "#" }],
    ...[{ anyOf: [{ $ref: "#" }, integer] }, { allOf: [{ $ref: "#" }] }],
    ...[false, { allOf: [string, integer] }, bound({ minimum: 2, maximum: 1 })],
    ...[object({ a: false }, ["a"]), object({ a: { $ref: "#" } }, ["a"])],
    ...[
      { type: "array", minItems: 2, maxItems: 1 },
      { minLength: 2, maxLength: 1 },
    ],
  ];
  for (const schema of refusing) {
    const what = JSON.stringify(schema).slice(0, 60);
    t.throws(() => schemaGrammar(schema), { code: "INVALID_SCHEMA" }, what);
  }
  t.end();
});

/** Of each level two definitions that both lead to both of the next one. */
function ladder(levels: number, step: (refs: readonly object[]) => object): object {
  const $defs: Record<string, object> = { [`A${levels}`]: integer, [`B${levels}`]: string };
  for (let at = 0; at < levels; at++) {
    const refs = ["A", "B"].map((side) => ({ $ref: `#/$defs/${side}${at + 1}` }));
    $defs[`A${at}`] = step(refs);
    $defs[`B${at}`] = step(refs.toReversed());
  }
  return { $ref: "#/$defs/A0", $defs };
}

const many = (count: number, value: unknown) =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`property${at}`, value]));

t.test("nothing explodes", async (t) => {
  const repeated = (depth: number) =>
    Array.from({ length: depth }).reduce<unknown>(
      (items) => ({ type: "array", minItems: 500, maxItems: 500, items }),
      string,
    );
  const rows: readonly (readonly [what: string, schema: unknown, charactersMax: number])[] = [
    ["200 optional properties", object(many(200, string)), 20_000],
    ["4,900 required ones", object(many(4_900, true), Object.keys(many(4_900, true))), 400_000],
    ["200, and others", object(many(200, string), [], { additionalProperties: true }), 60_000],
    ["4,900 optional properties", object(many(4_900, true)), 500_000],
    ["choices between choices", ladder(1_000, (anyOf) => ({ anyOf })), 1_000],
    ["allOf of allOf", ladder(100, ([allOf]) => ({ allOf: [allOf, allOf] })), 1_000],
    [
      "2 to the 40th",
      ladder(40, ([a, b]) => ({ anyOf: [a, b], allOf: [{ anyOf: [b, a] }] })),
      1_000,
    ],
    ["objects of objects", ladder(1_000, ([a, b]) => object({ a, b })), 400_000],
    ["9,000 words", { enum: Array.from({ length: 9_000 }, (_, at) => `word ${at}`) }, 100_000],
    ["500 to the sixth", repeated(6), 1_000],
    ["a long text", { type: "string", minLength: 1e9, maxLength: 1e12 }, 1_000],
  ];
  for (const [what, schema, charactersMax] of rows) {
    const { length } = schemaGrammar(schema);
    t.ok(length < charactersMax, `${what}: ${length} characters`);
    await t.resolves(takerOf(schema), what);
  }
  const hostile: readonly (readonly [what: string, schema: unknown])[] = [
    [
      "2 to the 20th",
      {
        allOf: Array.from({ length: 20 }, (_, at) => ({
          anyOf: [{ minLength: at }, { maxLength: 900 - at }],
        })),
      },
    ],
    [
      "400 repetitions of 500",
      {
        prefixItems: Array.from({ length: 600 }, (_, at) => ({
          minLength: at % 499,
          maxLength: 500,
        })),
      },
    ],
    [
      "long words",
      { enum: Array.from({ length: 900 }, (_, at) => `${at}${"x".repeat(3_000)}${at}`) },
    ],
  ];
  for (const [what, schema] of hostile) {
    t.throws(() => schemaGrammar(schema), { code: "INVALID_SCHEMA" }, what);
  }
});
