import t from "tap";
import { digestOf } from "../../../test/fixtures/fake-cluster.ts";
import type { GenerateRequest, Logprob, RoutedEvent } from "../../core/inference.ts";
import type { OutputFormat } from "../../core/output-format.ts";
import { seededRandom } from "../../core/random.ts";
import { type Piece, pieceReader } from "./pieces.ts";

const REQUEST: GenerateRequest = {
  requestId: "r",
  model: digestOf("m"),
  input: {
    kind: "messages",
    messages: [],
    tools: [{ type: "function", function: { name: "f" } }],
  },
  runner: {},
  sampling: {},
};
const STARTED: RoutedEvent = {
  ...{ type: "started", promptTokens: 1, cachedTokens: 0, loadMs: 0 },
  output: { calls: "hermes", thinking: { open: "<think>", close: "</think>" } },
};
const END: RoutedEvent = {
  ...{ type: "end", reason: "stop", promptTokens: 1, tokens: 2, promptMs: 1, outputMs: 1 },
};
const ENDED: Piece = { type: "end", reason: "stop", promptTokens: 1, tokens: 2 };
const logprob = (token: string): Logprob => ({ token, logprob: -1, bytes: [] });
const text = (text: string): RoutedEvent => ({
  ...{ type: "text", text, tokens: 1, logprobs: [logprob(text)] },
});
const CALL = '{"name":"f","arguments":{"a":1}}';

function read(events: readonly RoutedEvent[], mustCall = false): readonly Piece[] {
  const reader = pieceReader(REQUEST, { random: seededRandom(1), mustCall });
  return events.flatMap((event) => reader(event));
}

t.test("an answer taken apart", async (t) => {
  const pieces = read([
    ...[STARTED, text("<think>"), text("hm"), text("</think>"), text("hi")],
    ...[text(" "), text(`<tool_call>${CALL}`), text("</tool_call>"), END],
  ]);
  t.match(pieces, [
    { type: "thinking", text: "hm" },
    { type: "text", text: "hi" },
    { type: "call", call: { id: /^call_/, name: "f", arguments: { a: 1 } } },
    ENDED,
  ]);
  t.strictSame(read([{ type: "rendered", prompt: "p" }]), [{ type: "rendered", prompt: "p" }]);
});

t.test("text goes with the probabilities of what was held back for it", async (t) => {
  t.strictSame(read([STARTED, text("a"), text("<tool"), text("s>"), END]), [
    { type: "text", text: "a", logprobs: [logprob("a")] },
    { type: "text", text: "<tools>", logprobs: [logprob("<tool"), logprob("s>")] },
    ENDED,
  ]);
});

t.test("a node that goes on with an answer does not begin it anew", async (t) => {
  t.match(read([STARTED, text("<think>h"), STARTED, text("m</think>hi"), END]), [
    { type: "thinking", text: "h" },
    { type: "thinking", text: "m" },
    { type: "text", text: "hi" },
    ENDED,
  ]);
});

t.test("an answer that must be a call", async (t) => {
  t.match(read([STARTED, text(CALL.slice(0, 9)), text(CALL.slice(9)), END], true), [
    { type: "call", call: { id: /^call_[0-9a-f]{24}$/, name: "f", arguments: { a: 1 } } },
    ENDED,
  ]);
  t.strictSame(read([STARTED, text('{"name":'), END], true), [
    { type: "text", text: '{"name":' },
    ENDED,
  ]);
  t.strictSame(read([STARTED, END], true), [ENDED]);
});

t.test("a call that must come stands behind the thoughts", async (t) => {
  const started = (output: OutputFormat): RoutedEvent => ({ ...STARTED, output });
  const THINK = { open: "<think>", close: "</think>" };
  const header = "<|start|>assistant<|channel|>";
  const rows: readonly (readonly [what: string, format: OutputFormat, text: string])[] = [
    ["thoughts", { thinking: THINK }, `<think>\nhm\n</think>\n\n${CALL}`],
    ["begun", { calls: "hermes", thinking: THINK, beginsThinking: true }, `hm\n</think>${CALL}`],
    [
      "gpt-oss, in the channel of its answer",
      { calls: "harmony" },
      `<|channel|>analysis<|message|>hm<|end|>${header}final <|constrain|>json<|message|>${CALL}`,
    ],
    [
      "gpt-oss, in its own form",
      { calls: "harmony" },
      `<|channel|>analysis<|message|>hm<|end|>${header}commentary to=functions.f <|constrain|>json<|message|>{"a": 1}<|call|>`,
    ],
  ];
  const call = { id: /^call_[0-9a-f]{24}$/, name: "f", arguments: { a: 1 } };
  for (const [what, format, all] of rows) {
    for (const pieces of [[all], all.split("")]) {
      const got = read([started(format), ...pieces.map((piece) => text(piece)), END], true);
      const thought = got.flatMap((piece) => (piece.type === "thinking" ? piece.text : []));
      t.equal(thought.join(""), "hm", what);
      t.match(got.slice(thought.length), [{ type: "call", call }, ENDED], what);
      t.equal(got.length, thought.length + 2, what);
    }
  }
  const cut = read([started({ thinking: THINK }), text('<think>hm</think>{"name":'), END], true);
  t.strictSame(cut, [{ type: "thinking", text: "hm" }, { type: "text", text: '{"name":' }, ENDED]);
});
