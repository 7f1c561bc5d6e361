import t from "tap";
import { decodeStruct } from "./decode.ts";
import { goJson, omitEmpty } from "./go-json.ts";

const SHAPE = {
  name: "Request",
  fields: {
    model: "string",
    stream: "bool",
    count: "int",
    anything: "any",
    numbers: { list: "int" },
    words: { list: "string" },
    flags: { list: "bool" },
    inner: { name: "Inner", fields: { name: "string", deep: { list: "bool" } } },
    items: { list: { name: "Item", fields: { name: "string" } } },
    custom: { list: { type: "Custom", custom: (value: unknown) => value, zero: {} } },
  },
} as const;

t.test("decodes as Go does", (t) => {
  const rows: readonly (readonly [given: unknown, decoded: unknown])[] = [
    [null, {}],
    [{}, {}],
    [{ model: "a", unknown: 1 }, { model: "a" }],
    [
      { MODEL: "a", Stream: true, cOuNt: 2 },
      { model: "a", stream: true, count: 2 },
    ],
    [{ model: null, stream: null, inner: null, numbers: null }, {}],
    [{ model: "a", MODEL: null }, { model: "a" }],
    [{ model: "a", Model: "b" }, { model: "b" }],
    [{ anything: { A: [null] } }, { anything: { A: [null] } }],
    [
      { numbers: [1, null], words: ["a", null], flags: [null], items: [null, { NAME: "x" }] },
      { numbers: [1, 0], words: ["a", ""], flags: [false], items: [{}, { name: "x" }] },
    ],
    [
      { custom: [null, 1], items: [] },
      { custom: [{}, 1], items: [] },
    ],
    [{ inner: { Name: "n", other: 1, deep: [] } }, { inner: { name: "n", deep: [] } }],
    [JSON.parse('{"__proto__":{"model":"a"},"constructor":1}'), {}],
  ];
  for (const [given, decoded] of rows) {
    t.strictSame(decodeStruct(given, SHAPE), decoded, JSON.stringify(given));
  }
  t.end();
});

t.test("other types are errors in Go's words", (t) => {
  const rows: readonly (readonly [given: unknown, problem: string])[] = [
    [[], "array into Go value of type api.Request"],
    ["x", "string into Go value of type api.Request"],
    [1, "number into Go value of type api.Request"],
    [true, "bool into Go value of type api.Request"],
    [{ model: [] }, "array into Go struct field Request.model of type string"],
    [{ MODEL: {} }, "object into Go struct field Request.model of type string"],
    [{ stream: 0 }, "number into Go struct field Request.stream of type bool"],
    [{ count: "1" }, "string into Go struct field Request.count of type int"],
    [{ count: 0.5 }, "number 0.5 into Go struct field Request.count of type int"],
    [{ count: 2 ** 60 }, `number ${2 ** 60} into Go struct field Request.count of type int`],
    [{ numbers: {} }, "object into Go struct field Request.numbers of type []int"],
    [{ numbers: [[]] }, "array into Go struct field Request.numbers of type int"],
    [{ items: 1 }, "number into Go struct field Request.items of type []api.Item"],
    [{ items: [1] }, "number into Go struct field Request.items of type api.Item"],
    [{ items: [{ name: 1 }] }, "number into Go struct field Request.items.name of type string"],
    [{ inner: "x" }, "string into Go struct field Request.inner of type api.Inner"],
    [{ inner: { deep: [1] } }, "number into Go struct field Request.inner.deep of type bool"],
  ];
  for (const [given, problem] of rows) {
    const message = `json: cannot unmarshal ${problem}`;
    t.throws(() => decodeStruct(given, SHAPE), { name: "JsonError", message }, message);
  }
  t.end();
});

t.test("Go's escapes and omitempty", (t) => {
  t.equal(goJson({ a: "<b> & \u2028\u2029" }), '{"a":"\\u003cb\\u003e \\u0026 \\u2028\\u2029"}');
  t.equal(goJson({ "<": 1 }), '{"\\u003c":1}');
  t.equal(goJson("\ud800"), '"\\ud800"', "half of a pair stays valid JSON");
  t.strictSame(
    omitEmpty({ a: 0, b: "", c: false, d: null, e: undefined, f: [], g: 1, h: "x", i: [0] }),
    { g: 1, h: "x", i: [0] },
  );
  t.end();
});
