import t from "tap";
import { sseEvents } from "../../../test/fixtures/http.ts";
import { ManualClock } from "../../../test/fixtures/manual-clock.ts";
import { seededRandom } from "../../core/random.ts";
import type { Chosen } from "../dialects/answers.ts";
import type { Piece } from "../dialects/pieces.ts";
import { wholeAnswers } from "../dialects/whole-answer.ts";
import type { EventWriter } from "../http/sse.ts";
import { chatChunks, chatCompletion } from "./chat-answer.ts";
import type { Head } from "./head.ts";
import { ResponseEvents, wholeResponse } from "./responses-events.ts";
import { chatTools } from "./responses-tools.ts";

// Answers that hold more than text: what was thought, and calls.

const END: Piece = { type: "end", reason: "stop", promptTokens: 5, tokens: 9 };
const CUT: Piece = { ...END, reason: "length" };
const THOUGHT: Piece = { type: "thinking", text: "hm" };
const SAID: Piece = { type: "text", text: "hi" };
const CALL = { id: "call_1", name: "f", arguments: { b: 1, a: "<" } };
const CALLED: Piece = { type: "call", call: CALL };
const ARGUMENTS = '{"b":1,"a":"<"}';
const HEAD: Head = {
  ...{ id: "chatcmpl-1", created: 1, model: "m", choicesPerPrompt: 1, includeUsage: false },
};
const DEPS = { clock: new ManualClock(), random: seededRandom(1) };
const RESPONSE = { id: "resp_1", createdAt: 1, body: { model: "m" } };

async function* chosen(pieces: readonly Piece[]): AsyncGenerator<Chosen> {
  for (const piece of pieces) yield { choice: 0, piece };
}

async function wholeOf(pieces: readonly Piece[]) {
  const [answer] = await wholeAnswers(chosen(pieces), 1);
  if (!answer) throw new Error("one was asked for");
  return answer;
}

function eventsOf(writer: EventWriter<Chosen>, pieces: readonly Piece[]) {
  const text = pieces.map((piece) => writer.item({ choice: 0, piece })).join("") + writer.end();
  return sseEvents(text).map(({ data }) =>
    data === "[DONE]" ? data : (JSON.parse(data) as Record<string, unknown>),
  );
}

const noError = (error: unknown): never => {
  throw error;
};

t.test("chat, whole", async (t) => {
  const called = {
    ...{ id: "call_1", index: 0, type: "function" },
    function: { name: "f", arguments: ARGUMENTS },
  };
  const rows: readonly (readonly [pieces: readonly Piece[], choice: object])[] = [
    [
      [THOUGHT, SAID, END],
      { message: { role: "assistant", content: "hi", reasoning: "hm" }, finish_reason: "stop" },
    ],
    [
      [CALLED, END],
      {
        message: { role: "assistant", content: "", tool_calls: [called] },
        finish_reason: "tool_calls",
      },
    ],
    [
      [SAID, CALLED, CALLED, CUT],
      {
        message: {
          ...{ role: "assistant", content: "hi" },
          tool_calls: [called, { ...called, index: 1 }],
        },
        finish_reason: "length",
      },
    ],
  ];
  for (const [pieces, choice] of rows) {
    const { choices } = chatCompletion(HEAD, [await wholeOf(pieces)]);
    t.strictSame(choices, [{ index: 0, ...choice }]);
  }
});

t.test("chat, in chunks", async (t) => {
  const called = (index: number) => ({
    content: "",
    tool_calls: [
      {
        ...{ id: "call_1", index, type: "function" },
        function: { name: "f", arguments: ARGUMENTS },
      },
    ],
  });
  const deltas = eventsOf(chatChunks(HEAD, noError), [THOUGHT, SAID, CALLED, CALLED, END])
    .slice(0, -1)
    .map((chunk) => (typeof chunk === "string" ? chunk : chunk["choices"]));
  const choice = (delta: object, reason: string | null) => [
    { index: 0, delta, finish_reason: reason },
  ];
  t.strictSame(deltas, [
    choice({ role: "assistant", reasoning: "hm" }, null),
    choice({ content: "hi" }, null),
    choice(called(0), null),
    choice(called(1), null),
    choice({}, "tool_calls"),
  ]);
});

t.test("a response, whole", async (t) => {
  const output = async (pieces: readonly Piece[]) =>
    wholeResponse(RESPONSE, await wholeOf(pieces), DEPS)["output"];
  const message = (text: string) => ({ type: "message", content: [{ text }] });
  const called = {
    ...{ type: "function_call", id: /^fc_/, call_id: "call_1", name: "f" },
    ...{ arguments: ARGUMENTS, status: "completed" },
  };
  const thought = {
    ...{ type: "reasoning", id: /^rs_/, encrypted_content: "hm" },
    summary: [{ type: "summary_text", text: "hm" }],
  };
  t.match(await output([THOUGHT, SAID, END]), [thought, message("hi")]);
  t.match(await output([CALLED, END]), [called]);
  t.match(await output([SAID, CALLED, CALLED, END]), [message("hi"), called, called]);
  t.match(await output([END]), [message("")]);
  t.match(await output([THOUGHT, END]), [thought, message("")]);
});

t.test("a response that was cut is completed", async (t) => {
  const response = {
    status: "completed",
    incomplete_details: null,
    output: [{ status: "completed" }],
  };
  t.match(wholeResponse(RESPONSE, await wholeOf([SAID, CUT]), DEPS), response);
  const events = eventsOf(new ResponseEvents(RESPONSE, DEPS, noError), [SAID, CUT]);
  t.match(events.at(-1), { type: "response.completed", response });
});

t.test("a response with log probabilities", async (t) => {
  const token = { token: "hi", logprob: -0.5, bytes: [104, 105] };
  const told = [{ ...token, top_logprobs: [token] }];
  const pieces: readonly Piece[] = [{ ...SAID, logprobs: [{ ...token, top: [token] }] }, END];
  const output = [{ content: [{ type: "output_text", text: "hi", logprobs: told }] }];
  t.match(wholeResponse(RESPONSE, await wholeOf(pieces), DEPS), { output });
  const events = eventsOf(new ResponseEvents(RESPONSE, DEPS, noError), pieces);
  t.match(
    events.filter((event) => Object.hasOwn(Object(event), "logprobs")),
    [
      { type: "response.output_text.delta", logprobs: told },
      { type: "response.output_text.done", logprobs: told },
    ],
  );
  t.match(events.at(-1), { response: { output } });
});

t.test("a response, as events", async (t) => {
  const events = eventsOf(new ResponseEvents(RESPONSE, DEPS, noError), [
    ...[THOUGHT, THOUGHT, SAID, CALLED, SAID, END],
  ]);
  const told = events.map((event) => {
    const { type, output_index: index } = event as Record<string, unknown>;
    return index === undefined ? type : `${String(type).replace("response.", "")} ${index}`;
  });
  const message = (index: number): readonly string[] => [
    `output_item.added ${index}`,
    `content_part.added ${index}`,
    `output_text.delta ${index}`,
    `output_text.done ${index}`,
    `content_part.done ${index}`,
    `output_item.done ${index}`,
  ];
  t.strictSame(told, [
    "response.created",
    "response.in_progress",
    "output_item.added 0",
    "reasoning_summary_part.added 0",
    "reasoning_summary_text.delta 0",
    "reasoning_summary_text.delta 0",
    "reasoning_summary_text.done 0",
    "reasoning_summary_part.done 0",
    "output_item.done 0",
    ...message(1),
    "output_item.added 2",
    "function_call_arguments.delta 2",
    "function_call_arguments.done 2",
    "output_item.done 2",
    ...message(3),
    "response.completed",
  ]);
  const done = events
    .filter((event) => (event as { type: string }).type === "response.output_item.done")
    .map((event) => (event as { item: object }).item);
  t.match(events.at(-1), { response: { output: done } }, "the whole is what its items were");
  t.match(done[2], { arguments: ARGUMENTS });
  const silent = eventsOf(new ResponseEvents(RESPONSE, DEPS, noError), [END]);
  t.match(silent.at(-1), { response: { output: [{ content: [{ text: "" }] }] } });
  const pensive = eventsOf(new ResponseEvents(RESPONSE, DEPS, noError), [THOUGHT, END]);
  t.match(pensive.at(-1), {
    response: { output: [{ type: "reasoning" }, { content: [{ text: "" }] }] },
  });
});

t.test("a call of a namespace's member has its client's two names", async (t) => {
  const member = { type: "function", name: "wait" };
  const tools = [member, { type: "namespace", name: "agents", tools: [member] }];
  const response = { ...RESPONSE, body: { ...RESPONSE.body, tools } };
  const rows = [
    ["agents.wait", { name: "wait", namespace: "agents" }],
    ["wait", { name: "wait", namespace: undefined }],
    ["agents.sleep", { name: "agents.sleep", namespace: undefined }],
  ] as const;
  for (const [name, names] of rows) {
    const pieces: readonly Piece[] = [{ type: "call", call: { ...CALL, name } }, END];
    const whole = wholeResponse(response, await wholeOf(pieces), DEPS);
    t.match(whole["output"], [names], name);
    const events = eventsOf(new ResponseEvents(response, DEPS, noError), pieces);
    const items = events.flatMap((event) => Object(event).item ?? []);
    t.match(items, [names, names], name);
  }
});

t.test("tools of responses as chat has them", async (t) => {
  const parameters = { type: "object" };
  const f = { type: "function", name: "f", description: "d", parameters, strict: true };
  const inChat = (name: string) => ({
    type: "function",
    function: { name, description: "d", parameters },
  });
  t.strictSame(chatTools([f, { type: "namespace", name: "ns", tools: [f] }]), [
    inChat("f"),
    inChat("ns.f"),
  ]);
  t.match(chatTools([{ type: "function", name: "g" }]), [
    { type: "function", function: { name: "g", parameters: {} } },
  ]);
  const nested = { type: "namespace", name: "ns", tools: [{ type: "namespace", name: "ns" }] };
  t.throws(() => chatTools([nested]), { message: "a namespace may not hold another one" });
  t.throws(() => chatTools(["f"]), { message: "a tool must be an object" });
});
