import t from "tap";
import { looseCollection, looseObject, markedObject, pythonArguments } from "./loose-values.ts";

t.test("objects as models write them", (t) => {
  const rows: readonly (readonly [text: string, value: unknown])[] = [
    ['{"a": 1}', { a: 1 }],
    [' {"a" : [1 , 2,] ,} ', { a: [1, 2] }],
    ["{'a': \"b\", \"c\": 'd'}", { a: "b", c: "d" }],
    ["{'a': (1, 2), 'b': {}, 'c': ()}", { a: [1, 2], b: {}, c: [] }],
    ['{"a": "x\ny"}', { a: "x\ny" }],
    [String.raw`{'a': '\x41\u00df\U0001F999\q\\'}`, { a: "Aß🦙\\q\\" }],
    ["{'a': -1.5e3, 'b': +.5, 'c': 1_000, 'd': 007}", { a: -1500, b: 0.5, c: 1000, d: 7 }],
    ["{'a': True, 'b': false, 'c': None}", { a: true, b: false, c: null }],
    ["{'a': '''x'y'''}", { a: "x'y" }],
    ["{'a': 1e999}", undefined],
    ["{a: 1}", undefined],
    ["{'a': b}", undefined],
    ["{'a': 1", undefined],
    ["{'a': 1} x", undefined],
    ["{'a': '", undefined],
    ["{'a': 1x}", undefined],
    [String.raw`{'a': '\UFFFFFFFF'}`, undefined],
    ["[1]", undefined],
    ["", undefined],
  ];
  for (const [text, value] of rows) t.same(looseObject(text), value, text);
  t.same(looseCollection("['a', {'b': 1}]"), ["a", { b: 1 }]);
  t.equal(looseCollection("'a'"), undefined);
  const proto = looseObject("{'__proto__': {'a': 1}}");
  t.ok(Object.hasOwn(proto ?? {}, "__proto__"), "a key like any other");
  t.end();
});

t.test("depth has an end", (t) => {
  const deep = (depth: number): string => `${"{'a':".repeat(depth)}1${"}".repeat(depth)}`;
  t.ok(looseObject(deep(90)));
  t.equal(looseObject(deep(200_000)), undefined);
  t.end();
});

t.test("arguments of a call", (t) => {
  const rows: readonly (readonly [text: string, value: unknown])[] = [
    ["()", {}],
    ["(a=1, b='x',)", { a: 1, b: "x" }],
    ["(1, 'x')", { a: 1, b: "x" }],
    ["(1, b=2)", { a: 1, b: 2 }],
    ["(None, b=True)", { a: null, b: true }],
    ["(1, a=2)", undefined],
    ["(1, 2, 3)", undefined],
    ["(a==1)", undefined],
    ["(a=f(1))", undefined],
  ];
  for (const [text, value] of rows) t.same(pythonArguments(text, ["a", "b"]), value, text);
  t.end();
});

t.test("strings between marks", (t) => {
  const rows: readonly (readonly [text: string, value: unknown])[] = [
    ["{}", {}],
    [
      "{a b:|x|,c:|{|,d:1.5,e:[true,{f:null}]}",
      { "a b": "x", c: "{", d: 1.5, e: [true, { f: null }] },
    ],
    ["{a:Oslo 2,b:2024-06-27}", { a: "Oslo 2", b: "2024-06-27" }],
    ['{a:"x|y\\n",|b|:|"|}', { a: "x|y\n", b: '"' }],
    ["{a:|x", undefined],
    ["{a}", undefined],
    ["{a:}", undefined],
  ];
  for (const [text, value] of rows) t.same(markedObject(text, "|"), value, text);
  t.end();
});
