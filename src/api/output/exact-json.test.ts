import t from "tap";
import { OutputParser } from "./output-parser.ts";
import { said } from "./output-part.ts";
import { toolsOf } from "./tools.ts";

const ID = "1234567890123456789";
const INTEGERS = { properties: { a: { type: "integer" } } };
const TOOLS = toolsOf([{ function: { name: "add", parameters: INTEGERS } }]);

t.test("numbers are passed on as models write them", (t) => {
  const rows: readonly (readonly [calls: string, text: string, values: string])[] = [
    ["hermes", `<tool_call>{"name": "add", "arguments": {"a": ${ID}}}`, `{"a":${ID}}`],
    [
      "hermes",
      `<tool_call>{"name": "add", "arguments": {"a": [-${ID}, 1.50, 1e3, -0]}}`,
      `{"a":[-${ID},1.5,1000,0]}`,
    ],
    ["hermes", `<tool_call>{"name": "add", "arguments": "{\\"a\\": ${ID}}"}`, `{"a":${ID}}`],
    ["hermes", `<tool_call>{'name': 'add', 'arguments': {'a': ${ID}}}`, `{"a":${ID}}`],
    ["hermes", `<tool_call><function=add><parameter=a>${ID}</parameter></function>`, `{"a":${ID}}`],
    [
      "hermes",
      `<tool_call>add<arg_key>a</arg_key><arg_value>${ID}</arg_value></tool_call>`,
      `{"a":${ID}}`,
    ],
    [
      "dsml",
      `<｜DSML｜invoke name="add"><｜DSML｜parameter name="a" string="false">${ID}</｜DSML｜parameter></｜DSML｜invoke>`,
      `{"a":${ID}}`,
    ],
    ["python", `<function_calls>add(a=${ID})`, `{"a":${ID}}`],
    ["gemma4", `<|tool_call>call:add{a:${ID}}`, `{"a":${ID}}`],
  ];
  for (const [calls, text, values] of rows) {
    t.equal(JSON.stringify(callIn(calls, text)?.arguments), values, text);
  }
  t.end();
});

t.test("what cannot be written again is no call", (t) => {
  const deep = `${"[".repeat(20_000)}${"]".repeat(20_000)}`;
  for (const values of [ID, "1e999", deep, `{"a": 1e999}`, `{"a": ${deep}}`]) {
    const text = `<tool_call>{"name": "add", "arguments": ${values}}`;
    t.equal(callIn("hermes", text), undefined, values.slice(0, 30));
  }
  t.end();
});

function callIn(calls: string, text: string) {
  const parser = new OutputParser({ calls }, TOOLS);
  return said([...parser.push(text), ...parser.end()]).calls[0];
}
