import t from "tap";
import { callFormat, chooseTools, parseToolChoice } from "./tool-choice.ts";

const tool = (name: string, parameters?: object) => ({
  type: "function",
  function: { name, ...(parameters ? { parameters } : {}) },
});
const F = tool("f");
const G = tool("g");

t.test("what a client may choose", async (t) => {
  for (const [given, choice] of [
    [undefined, "auto"],
    ["auto", "auto"],
    ["none", "none"],
    ["required", "required"],
    [{ type: "function", function: { name: "f" } }, { name: "f" }],
    [{ type: "function", name: "f" }, { name: "f" }],
    ["", "auto"],
    ["any", "required"],
    [{ type: "web_search" }, "auto"],
    [{ type: "custom", name: "f" }, "auto"],
    [
      { type: "allowed_tools", mode: "required", tools: [{ type: "function", name: "f" }, 5] },
      { allowed: ["f"], mustCall: true },
    ],
    [
      { type: "allowed_tools", allowed_tools: { mode: "auto", tools: [F] } },
      { allowed: ["f"], mustCall: false },
    ],
    [{ type: "allowed_tools" }, { allowed: [], mustCall: false }],
  ] as const) {
    t.strictSame(parseToolChoice(given), choice, JSON.stringify(given));
  }
  for (const given of [5, "maybe", {}, { type: "function" }, []]) {
    t.throws(() => parseToolChoice(given), { message: /^tool_choice must be / });
  }
});

t.test("what is shown, and whether it must be called", async (t) => {
  t.strictSame(chooseTools([F, G], "auto"), { tools: [F, G], mustCall: false });
  t.strictSame(chooseTools([F, G], "none"), { tools: [], mustCall: false });
  t.strictSame(chooseTools([F, G], "required"), { tools: [F, G], mustCall: true });
  t.strictSame(chooseTools([F, G], { name: "g" }), { tools: [G], mustCall: true });
  const allowed = (mustCall: boolean) => ({ allowed: ["g", "h"], mustCall });
  t.strictSame(chooseTools([F, G], allowed(true)), { tools: [G], mustCall: true });
  t.strictSame(chooseTools([F, G], allowed(false)), { tools: [G], mustCall: false });
  t.strictSame(chooseTools([F], allowed(false)), { tools: [], mustCall: false });
  t.throws(() => chooseTools([F], allowed(true)), { message: /there are no tools$/ });
  t.throws(() => chooseTools([], "required"), { message: /there are no tools$/ });
  t.throws(() => chooseTools([F, {}], { name: "g" }), { message: /"g", which is not/ });
});

const callOf = (name: string, parameters: object) => ({
  type: "object",
  properties: {
    name: { const: name },
    arguments: { type: "object", additionalProperties: false, ...parameters },
  },
  required: ["name", "arguments"],
});

t.test("the JSON of a call", async (t) => {
  const city = { type: "string" };
  const h = tool("h", { properties: { city }, required: ["city"] });
  t.strictSame(callFormat([F, h]), {
    oneOf: [callOf("f", {}), callOf("h", { properties: { city }, required: ["city"] })],
  });
});

t.test("each tool's references lead into its own schema", async (t) => {
  const place = (at: number) => `#/oneOf/${at}/properties/arguments`;
  const using = (A: object, at = "#") => ({
    properties: {
      one: { $ref: `${at}/$defs/A` },
      same: { anyOf: [{ $ref: `${at}/properties/one` }, { items: { $ref: at } }] },
      // A property of that name, and values that only look like references.
      $ref: { enum: [{ $ref: "#" }], default: { $ref: "#/$defs/A" }, const: "#" },
      properties: { type: "object", properties: { $ref: { $ref: `${at}/$defs/A` } } },
    },
    $defs: { A },
  });
  const [string, integer] = [{ type: "string" }, { type: "integer" }];
  t.strictSame(callFormat([tool("f", using(string)), tool("g", using(integer))]), {
    oneOf: [callOf("f", using(string, place(0))), callOf("g", using(integer, place(1)))],
  });
  const others = { allOf: [{ $ref: "https://example.com/#/a" }, { $ref: "#anchor" }] };
  t.strictSame(callFormat([tool("f", others)]), { oneOf: [callOf("f", others)] });
});

t.test("as deep as a body may be", async (t) => {
  const deep = Array.from({ length: 256 }).reduce<object>((a) => ({ properties: { a } }), {});
  t.strictSame(callFormat([tool("f", deep)]), { oneOf: [callOf("f", deep)] });
});
