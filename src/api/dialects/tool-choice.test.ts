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

t.test("the JSON of a call", async (t) => {
  const place = { type: "object" };
  const city = { type: "string" };
  const h = tool("h", { properties: { city }, required: ["city"], $defs: { place } });
  t.strictSame(callFormat([F, h]), {
    oneOf: [
      {
        type: "object",
        properties: {
          name: { const: "f" },
          arguments: { type: "object", additionalProperties: false },
        },
        required: ["name", "arguments"],
      },
      {
        type: "object",
        properties: {
          name: { const: "h" },
          arguments: {
            ...{ type: "object", additionalProperties: false },
            ...{ properties: { city }, required: ["city"] },
          },
        },
        required: ["name", "arguments"],
      },
    ],
    $defs: { place },
  });
});
