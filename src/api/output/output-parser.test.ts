import fc from "fast-check";
import t from "tap";
import { FURTHER_OUTPUTS } from "../../../test/fixtures/further-outputs.ts";
import { LENIENT_OUTPUTS } from "../../../test/fixtures/lenient-outputs.ts";
import { RECORDED_OUTPUTS } from "../../../test/fixtures/recorded-outputs.ts";
import { SOURCED_OUTPUTS } from "../../../test/fixtures/sourced-outputs.ts";
import { CALL_FORMATS, type OutputFormat } from "../../core/output-format.ts";
import { HELD_CHARS_MAX } from "./cursor.ts";
import { OutputParser } from "./output-parser.ts";
import type { OutputPart } from "./output-part.ts";
import { toolsOf } from "./tools.ts";

/** Of a, the type says what a plain text becomes; of the others, nothing does. */
const TOOLS = toolsOf(
  ["get_weather", "add"].map((name) => ({
    type: "function",
    function: { name, parameters: { properties: { a: { type: ["number", "array"] } } } },
  })),
);
const THINK = { open: "<think>", close: "</think>" };
const OUTPUTS = [...RECORDED_OUTPUTS, ...SOURCED_OUTPUTS, ...FURTHER_OUTPUTS, ...LENIENT_OUTPUTS];

/** Neighbouring texts put together, so that where they were cut does not show. */
function joined(parts: readonly OutputPart[]): readonly OutputPart[] {
  const all: OutputPart[] = [];
  for (const part of parts) {
    const last = all.at(-1);
    if (part.type !== "call" && last?.type === part.type) {
      all[all.length - 1] = { type: part.type, text: last.text + part.text };
    } else all.push(part);
  }
  return all;
}

function parsed(format: OutputFormat, pieces: readonly string[], tools = TOOLS) {
  const parser = new OutputParser(format, tools);
  return joined([...pieces.flatMap((piece) => parser.push(piece)), ...parser.end()]);
}

t.test("what models write", (t) => {
  for (const { what, format, text, parts } of OUTPUTS) {
    t.strictSame(parsed(format, [text]), parts, what);
  }
  t.end();
});

t.test("it makes no difference where the text is cut", (t) => {
  for (const { what, format, text, parts } of OUTPUTS) {
    t.strictSame(parsed(format, text.split("")), parts, `${what}: every UTF-16 unit alone`);
    t.strictSame(parsed(format, [...text]), parts, `${what}: every character alone`);
    const halves = Array.from(text, (_, at) => parsed(format, [text.slice(0, at), text.slice(at)]));
    t.ok(
      halves.every((half) => JSON.stringify(half) === JSON.stringify(parts)),
      `${what}: in two halves`,
    );
  }
  t.end();
});

const calls = fc.constantFrom(...CALL_FORMATS);
const format: fc.Arbitrary<OutputFormat> = fc.record(
  {
    calls,
    thinking: fc.constantFrom(THINK, { open: "<|channel>", close: "<channel|>" }),
    beginsThinking: fc.boolean(),
    callMarks: fc.constantFrom({ open: "Call:", close: "End" }, { open: "Action:", close: "" }),
    wrapper: fc.constant({ open: "<response>", close: "</response>" }),
  },
  { requiredKeys: [] },
);
/** Everything that means something in one of the formats, and things that do not. */
const scraps = fc.constantFrom(
  ...["<think>", "</think>", "<tool_call>", "</tool_call>", "<|python_tag|>", "[TOOL_CALLS]"],
  ...["[ARGS]", "[CALL_ID]", "<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>"],
  ...[
    "<｜tool▁call▁end｜>",
    "<｜tool▁calls▁end｜>",
    "```json\n",
    "```",
    "<|channel|>",
    "<|start|>",
  ],
  ...["<|message|>", "<|end|>", "<|call|>", "analysis", "final", "commentary to=functions.add "],
  ...['{"name": "add", "arguments": {"a": 1}}', '{"name": "add", "parameters": {}}', '{"a": "}"}'],
  ...["<function=add>", "<parameter=a>", "</parameter>", "</function>", "<arg_key>", "</arg_key>"],
  ...["<arg_value>", "</arg_value>", "<|tool_calls_section_begin|>", "<|tool_call_begin|>"],
  ...["functions.add:0", "<|tool_call_argument_begin|>", "<|tool_call_end|>", "<|tool_call|>"],
  ...["<minimax:tool_call>", '<invoke name="add">', '<parameter name="a">', "</invoke>"],
  ...["<|START_ACTION|>", "<|END_ACTION|>", "<|START_RESPONSE|>", "functools", "<TOOLCALL>"],
  ...["<toolcall>", "<tool_calls>", "</tool_calls>", "<seed:tool_call>", "</seed:tool_call>"],
  ...["<start_function_call>", "call:add", "{a:<escape>x<escape>}", "<end_function_call>"],
  ...["<|tool_call>", '{a:<|"|>x<|"|>}', "<tool_call|>", "<|channel>", "thought\n", "<channel|>"],
  ...["<|tool_call_start|>", "add(a=1)", 'add(\'x\', b="""y""")', "<function_calls>", "'", "("],
  ...["<|tools_prefix|>", '{"add": {}}', "<|tools_suffix|>", ">>>", "all\n", "add\n"],
  ...["Action:", "<response>", "</response>", "Call:", "End", '{"a": True,}', "{'a': 'x'}", ")"],
  ...["[", "]", ",", ";", "{", "}", '"', "\\", "add", "get_weather", " ", "\n", "<", "🦙", "ß"],
);
const mixed = fc
  .array(fc.oneof(scraps, fc.string({ unit: "grapheme", maxLength: 5 })), { maxLength: 25 })
  .map((pieces) => pieces.join(""));

/** Cuts the text at those places. */
function cut(text: string, places: readonly number[]): string[] {
  const at = [0, ...places.map((place) => place % (text.length + 1)), text.length];
  const sorted = at.toSorted((a, b) => a - b);
  return sorted.slice(1).map((end, index) => text.slice(sorted[index], end));
}

t.test("any text, cut anywhere, gives the same", (t) => {
  fc.assert(
    fc.property(format, mixed, fc.array(fc.nat()), (format, text, places) => {
      t.strictSame(parsed(format, cut(text, places)), parsed(format, [text]));
    }),
    { numRuns: 2_000 },
  );
  t.end();
});

t.test("text without marks comes out as it was", (t) => {
  const plain = fc
    .string({ unit: "binary" })
    .filter((text) => !/[<[{]|^\s*to=|^all\n|Action:|Call:/.test(text));
  fc.assert(
    fc.property(format, plain, fc.array(fc.nat()), (format, text, places) => {
      const parts = parsed({ ...format, beginsThinking: false }, cut(text, places));
      t.strictSame(parts, text === "" ? [] : [{ type: "content", text }]);
    }),
    { numRuns: 1_000 },
  );
  t.end();
});

t.test("nothing is held back that can become nothing", (t) => {
  const rows: readonly (readonly [format: OutputFormat, pieces: readonly [string, string][]])[] = [
    [{}, [["<tool_call>", "<tool_call>"]]],
    [
      { calls: "hermes" },
      [
        ["Hi <", "Hi"],
        ["b", " <b"],
        ["><tool", ">"],
        ["s>", "<tools>"],
        ["<tool_call>!", "<tool_call>!"],
        ['<tool_call>{"name":', ""],
        ["<", '<tool_call>{"name":'],
      ],
    ],
    [
      { calls: "llama" },
      [
        ['{"a', ""],
        ["n", '{"an'],
        ['swer": 42', 'swer": 42'],
      ],
    ],
    [
      { calls: "json" },
      [
        ['[{ "name" : "a', ""],
        ["n", '[{ "name" : "an'],
      ],
    ],
    [
      { calls: "mistral" },
      [
        ["[TOOL", ""],
        ["BOX]", "[TOOLBOX]"],
      ],
    ],
    [
      { calls: "harmony" },
      [
        ["<|mess", ""],
        ["y|>", "<|messy|>"],
      ],
    ],
  ];
  for (const [format, pieces] of rows) {
    const parser = new OutputParser(format, TOOLS);
    for (const [piece, expected] of pieces) {
      const out = joined(parser.push(piece));
      t.strictSame(out, expected === "" ? [] : [{ type: "content", text: expected }], piece);
    }
  }
  t.end();
});

t.test("a call comes out with its last character", (t) => {
  const parser = new OutputParser({ calls: "hermes" }, TOOLS);
  t.strictSame(parser.push('<tool_call>\n{"name": "add", "arguments": {"a": 1}'), []);
  t.strictSame(parser.push("}"), [{ type: "call", call: { name: "add", arguments: { a: 1 } } }]);
  t.strictSame(parser.push("\n</tool_call>"), []);
  t.strictSame(parser.end(), []);
  t.end();
});

t.test("a call that does not end is given out as text when it is too long", (t) => {
  const rows: readonly (readonly [format: OutputFormat, begin: string])[] = [
    [{ calls: "hermes" }, '<tool_call>{"name": "add", "arguments": {"a": "'],
    [{ calls: "hermes" }, "<tool_call><function=add><parameter=a>"],
    [{ calls: "hermes" }, "<tool_call>add<arg_key>a</arg_key><arg_value>"],
    [{ calls: "seed" }, "<seed:tool_call><function=add><parameter=a>"],
    [{ calls: "python" }, "<|tool_call_start|>[add(a='"],
    [{ calls: "llama" }, "[add(a='"],
    [{ calls: "json" }, '[{"name": "add", "arguments": {"a": "'],
    [{ calls: "json", callMarks: { open: "Call:", close: "" } }, 'Call: {"name": "'],
    [{ calls: "action" }, 'Action: ```json\n[{"tool_name": "'],
    [{ calls: "functiongemma" }, "<start_function_call>call:add{a:<escape>"],
    [{ calls: "gemma4" }, '<|tool_call>call:add{a:<|"|>'],
    [{ calls: "apertus" }, '<|tools_prefix|>[{"add": {"a": "'],
    [{ calls: "functionary" }, 'add\n{"a": "'],
    [{ calls: "harmony" }, ""],
  ];
  for (const [format, begin] of rows) {
    const parser = new OutputParser(format, TOOLS);
    const what = `${format.calls}: ${begin}`;
    let text = begin;
    let out: readonly OutputPart[] = parser.push(begin);
    while (out.length === 0 && text.length <= HELD_CHARS_MAX) {
      const more = "x".repeat(10_000);
      text += more;
      out = parser.push(more);
    }
    t.ok(out.length > 0, `${what}: it comes out`);
    t.strictSame(joined([...out, ...parser.end()]), [{ type: "content", text }], what);
  }
  t.end();
});

t.test("what models repeat without end is not held", (t) => {
  const rows: readonly (readonly [format: OutputFormat, begin: string, again: string])[] = [
    [{ calls: "gemma4" }, "<|tool_call>call:add{}", "<tool_call|>\n"],
    [{ calls: "hermes" }, '<tool_call>{"name": "add"}', "}"],
    [{ calls: "harmony" }, "<|channel|>commentary to=functions.add<|message|>{}", "<|call|>"],
    [{ calls: "json", thinking: THINK }, "<think>", "</think><think>"],
  ];
  for (const [format, begin, again] of rows) {
    const parser = new OutputParser(format, TOOLS);
    parser.push(begin);
    let left = 0;
    for (let count = 0; count < 40; count++) left += parser.push(again.repeat(1_000)).length;
    const rest = parser.end().filter(({ type }) => type !== "call");
    t.ok(left + rest.length <= 1, `${format.calls}: ${again}`);
  }
  t.end();
});

t.test("a long call costs as much as its length", (t) => {
  const names = Array.from({ length: 12_000 }, (_, index) => `b${index}`);
  const values = names.map((name) => `\n<parameter=${name}>\nx`).join("");
  const text = `<tool_call>\n<function=add>${values}\n</function>\n</tool_call>`;
  const expected = { name: "add", arguments: Object.fromEntries(names.map((name) => [name, "x"])) };
  // Were what is held copied for each value, this would take a minute.
  const pieces = text.match(/[\s\S]{1,16}/g) ?? [];
  t.strictSame(parsed({ calls: "hermes" }, pieces), [{ type: "call", call: expected }]);
  t.end();
});
