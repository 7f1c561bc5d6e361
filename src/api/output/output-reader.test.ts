import t from "tap";
import { ROUTE } from "../../../test/fixtures/fake-cluster.ts";
import type { GenerateInput, RoutedEvent } from "../../core/inference.ts";
import type { OutputFormat } from "../../core/output-format.ts";
import { seededRandom } from "../../core/random.ts";
import { type Output, OutputReader } from "./output-reader.ts";

const FORMAT: OutputFormat = {
  calls: "hermes",
  thinking: { open: "<think>", close: "</think>" },
  beginsThinking: true,
};
const CALL = '<tool_call>{"name": "add", "arguments": {}}</tool_call>';
const END: RoutedEvent = {
  ...{ type: "end", reason: "stop", promptTokens: 1, tokens: 1 },
  ...{ promptMs: 0, outputMs: 0 },
};

const started = (output?: OutputFormat): RoutedEvent => ({
  ...{ type: "started", promptTokens: 1, cachedTokens: 0, loadMs: 0 },
  ...(output && { output }),
});
const text = (text: string, tokens: readonly string[] = []): RoutedEvent => ({
  ...{ type: "text", text, tokens: 1 },
  ...(tokens.length > 0 && {
    logprobs: tokens.map((token) => ({ token, logprob: -1, bytes: [] })),
  }),
});
const asking = (tools: readonly unknown[]): GenerateInput => ({
  kind: "messages",
  messages: [],
  tools,
});
const ADD = { type: "function", function: { name: "add" } };

function read(input: GenerateInput, events: readonly RoutedEvent[]): readonly Output[] {
  const reader = new OutputReader({ input }, seededRandom(1));
  return events.flatMap((event) => reader.read(event) ?? []);
}

function kinds(input: GenerateInput, events: readonly RoutedEvent[]): readonly string[] {
  return read(input, events).flatMap(({ parts }) =>
    parts.map((part) => (part.type === "call" ? `call ${part.call.name}` : part.text)),
  );
}

t.test("when another node goes on, so does the parser", (t) => {
  const routed: RoutedEvent = { type: "routed", ...ROUTE };
  const begun = [routed, started(FORMAT), text("hm</thi")];
  const resumed = [routed, started({}), text("nk>ok"), END];
  t.strictSame(kinds(asking([ADD]), [...begun, ...resumed]), ["hm", "ok"]);
  t.end();
});

t.test("which tools there are to call", (t) => {
  const events = [started({ calls: "hermes" }), text(CALL), END];
  const rows: readonly (readonly [what: string, input: GenerateInput, said: string])[] = [
    ["one", asking([ADD]), "call add"],
    ["none", asking([]), CALL],
    ["things that are no tools", asking([null, 1, {}, { function: {} }]), CALL],
    ["a raw prompt", { kind: "prompt", prompt: "" }, CALL],
  ];
  for (const [what, input, said] of rows) t.equal(kinds(input, events).join(""), said, what);
  t.strictSame(kinds(asking([ADD]), [text(CALL), END]), [CALL], "nobody told the format");
  t.strictSame(kinds(asking([ADD]), [started({ calls: "newer" }), text(CALL), END]), [CALL]);
  t.end();
});

t.test("every call has an id of its own, the model's where it gave one", (t) => {
  const given =
    '[TOOL_CALLS] [{"name": "add", "id": "abcdefghi"}, {"name": "add"}, {"name": "add"}]';
  const outputs = read(asking([ADD]), [started({ calls: "mistral" }), text(given), END]);
  const ids = outputs.flatMap(({ parts }) =>
    parts.map((part) => (part.type === "call" ? part.call.id : undefined)),
  );
  t.equal(ids[0], "abcdefghi");
  t.match(ids.slice(1), [/^call_[a-z0-9]{8}$/, /^call_[a-z0-9]{8}$/]);
  t.equal(new Set(ids).size, 3);
  t.end();
});

t.test("an id that the model gives twice is not taken twice", (t) => {
  const call =
    "<|tool_call_begin|>functions.add:0<|tool_call_argument_begin|>{}<|tool_call_end|>".repeat(2);
  const outputs = read(asking([ADD]), [started({ calls: "kimi" }), text(call), END]);
  const ids = outputs.flatMap(({ parts }) =>
    parts.map((part) => (part.type === "call" ? part.call.id : undefined)),
  );
  t.match(ids, ["functions.add:0", /^call_[a-z0-9]{8}$/]);
  t.equal(ids.length, 2);
  t.end();
});

t.test("log probabilities wait for what their tokens become", (t) => {
  const events = [
    started(FORMAT),
    text("</think>", ["a"]),
    text("x", ["b"]),
    text("<", ["c"]),
    END,
  ];
  const outputs = read(asking([ADD]), events);
  t.match(outputs, [
    { parts: [{ text: "x" }], logprobs: [{ token: "a" }, { token: "b" }] },
    { parts: [{ text: "<" }], logprobs: [{ token: "c" }] },
  ]);
  const nothing = read(asking([ADD]), [started(FORMAT), text("</think>", ["a"]), END]);
  t.match(nothing, [{ parts: [], logprobs: [{ token: "a" }] }], "at the end at the latest");
  t.strictSame(read(asking([ADD]), [started(FORMAT), END]), []);
  t.end();
});
