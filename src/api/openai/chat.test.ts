import { once } from "node:events";
import t from "tap";
import {
  eventsOf,
  type FakeCluster,
  fakeCluster,
  ROUTE,
  recordOf,
} from "../../../test/fixtures/fake-cluster.ts";
import { sseEvents } from "../../../test/fixtures/http.ts";
import { InferenceError } from "../../core/errors.ts";
import type { RoutedEvent } from "../../core/inference.ts";
import { createApp } from "../app.ts";

const RECORDS = [
  recordOf("registry.ollama.ai/library/llama:latest"),
  recordOf("registry.ollama.ai/library/bert:latest", ["embedding"]),
  recordOf("registry.ollama.ai/library/tooly:latest", ["completion", "tools"]),
  recordOf("registry.ollama.ai/library/qwen:8b", ["completion", "thinking"]),
];
const MESSAGES = [{ role: "user", content: "hi" }];
const ASK = { model: "llama", messages: MESSAGES };
const CREATED = Date.UTC(2026, 0, 1) / 1_000;
const HERMES = { calls: "hermes", thinking: { open: "<think>", close: "</think>" } };
const TOOL = { type: "function", function: { name: "f" } };

const end = (reason: "stop" | "length", tokens: number): RoutedEvent => ({
  ...{ type: "end", reason, promptTokens: 5, tokens, promptMs: 1, outputMs: 1 },
});

function post(cluster: FakeCluster, body: unknown): Promise<Response> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return Promise.resolve(
    createApp(cluster, () => false).request("/v1/chat/completions", { method: "POST", body: text }),
  );
}

const cluster = (): FakeCluster => fakeCluster({ records: RECORDS });

/** The request that the engine got. */
async function asked(body: unknown) {
  const fake = cluster();
  const response = await post(fake, body);
  t.equal(response.status, 200, await response.text());
  return fake.inference.generated[0];
}

async function chunksOf(response: Response): Promise<readonly unknown[]> {
  const events = sseEvents(await response.text());
  t.equal(events.at(-1)?.data, "[DONE]");
  return events.slice(0, -1).map(({ data }) => JSON.parse(data) as unknown);
}

t.test("refusals, in OpenAI's envelope", async (t) => {
  const field = (kind: string, path: string, type: string): string =>
    `json: cannot unmarshal ${kind} into Go struct field ${path} of type ${type}`;
  const of = (path: string) => `ChatCompletionRequest.${path}`;
  const content = (given: unknown) => ({
    model: "llama",
    messages: [{ role: "user", content: given }],
  });
  const image = (given: unknown) => content([{ type: "image_url", image_url: given }]);
  const audio = (given: unknown) => content([{ type: "input_audio", input_audio: given }]);
  const call = (given: unknown) => ({
    ...ASK,
    messages: [{ role: "assistant", tool_calls: [{ function: { name: "f", arguments: given } }] }],
  });
  const effort = (value: string) =>
    `invalid reasoning value: "${value}" (must be "minimal", "low", "medium", "high", "xhigh", "ultra", "max", or "none")`;
  const noImages = "images and sound in messages are not supported yet";
  type Row = readonly [body: unknown, status: number, message: string, param?: string];
  const rows: readonly Row[] = [
    ["", 400, "EOF"],
    ['{"model":', 400, "unexpected EOF"],
    [
      '"chat"',
      400,
      "json: cannot unmarshal string into Go value of type openai.ChatCompletionRequest",
    ],
    [`${"[".repeat(600)}${"]".repeat(600)}`, 400, "exceeded max depth"],
    ["null", 400, "[] is too short - 'messages'", "messages"],
    [{ model: "llama" }, 400, "[] is too short - 'messages'", "messages"],
    [{ messages: MESSAGES }, 400, "model is required", "model"],
    [{ ...ASK, model: "a b" }, 400, "invalid model name"],
    [{ ...ASK, model: "x" }, 404, "model 'x' not found"],
    [{ ...ASK, model: "bert" }, 400, '"bert" does not support chat'],
    [
      { ...ASK, tools: [TOOL] },
      400,
      "registry.ollama.ai/library/llama:latest does not support tools",
      "tools",
    ],
    [
      { ...ASK, model: "tooly", tool_choice: "required" },
      400,
      "tool_choice requires a call, and there are no tools",
      "tool_choice",
    ],
    [
      {
        ...{ ...ASK, model: "tooly", tools: [TOOL] },
        tool_choice: { type: "function", function: { name: "g" } },
      },
      400,
      'tool_choice names "g", which is not among the tools',
      "tool_choice",
    ],
    [
      { ...ASK, tool_choice: "maybe" },
      400,
      'tool_choice must be "none", "auto", "required" or a function',
      "tool_choice",
    ],
    [{ ...ASK, reasoning_effort: "low" }, 400, '"llama" does not support thinking'],
    [{ ...ASK, reasoning_effort: "much" }, 400, effort("much"), "reasoning_effort"],
    [{ ...ASK, reasoning: { effort: "toString" } }, 400, effort("toString"), "reasoning_effort"],
    [{ ...ASK, top_logprobs: 21 }, 400, "top_logprobs must be between 0 and 20"],
    [{ ...ASK, top_logprobs: -1 }, 400, "top_logprobs must be between 0 and 20"],
    [{ ...ASK, n: 0 }, 400, "'n' must be between 1 and 128", "n"],
    [{ ...ASK, n: -1 }, 400, "'n' must be between 1 and 128", "n"],
    [{ ...ASK, n: 129 }, 400, "'n' must be between 1 and 128", "n"],
    [{ ...ASK, stop: 1 }, 400, "invalid type for 'stop' field: float64", "stop"],
    [{ ...ASK, stop: ["a", null] }, 400, "invalid type for 'stop' field: <nil>", "stop"],
    [{ ...ASK, stop: {} }, 400, "invalid type for 'stop' field: map[string]interface {}", "stop"],
    [
      { ...ASK, stop: Array.from({ length: 257 }, () => "a") },
      400,
      "'stop' may hold 256 words at most",
      "stop",
    ],
    [
      { ...ASK, response_format: { type: "xml" } },
      400,
      'invalid response_format: "xml" is none of "text", "json_object" and "json_schema"',
      "response_format",
    ],
    [
      { ...ASK, response_format: { type: "json_schema", json_schema: {} } },
      400,
      "invalid response_format: json_schema.schema must be an object",
      "response_format",
    ],
    [
      { ...ASK, response_format: "json" },
      400,
      field("string", of("response_format"), "map[string]interface {}"),
    ],
    [content(5), 400, "invalid message content type: float64", "messages"],
    [content(null), 400, "invalid message content type: <nil>", "messages"],
    [content({}), 400, "invalid message content type: map[string]interface {}", "messages"],
    [content(["hi"]), 400, "invalid message format", "messages"],
    [content([{ type: "text" }]), 400, "invalid message format", "messages"],
    [content([{ type: "file" }]), 400, "invalid message format", "messages"],
    [image(5), 400, "invalid message format", "messages"],
    [
      image("https://example.com/cat.png"),
      400,
      "image URLs are not currently supported, please use base64 encoded data instead",
      "messages",
    ],
    [image("data:image/gif;base64,aGk="), 400, "invalid image input", "messages"],
    [image({ url: "data:image/png;base64,?" }), 400, "invalid image input", "messages"],
    [image({ url: "data:image/png;base64,aGk=" }), 400, noImages, "messages"],
    [audio("aGk="), 400, "invalid input_audio format", "messages"],
    [audio({}), 400, "invalid input_audio format: missing data", "messages"],
    [audio({ data: "aGk=" }), 400, noImages, "messages"],
    [call("{"), 400, "invalid tool call arguments", "messages"],
    [call("[]"), 400, "invalid tool call arguments", "messages"],
    [
      call(`{"a":${"[".repeat(600)}${"]".repeat(600)}}`),
      400,
      "invalid tool call arguments",
      "messages",
    ],
    [call({}), 400, field("object", of("messages.tool_calls.function.arguments"), "string")],
    [{ messages: {} }, 400, field("object", of("messages"), "[]openai.Message")],
    [{ messages: ["hi"] }, 400, field("string", of("messages"), "openai.Message")],
    [{ max_tokens: "5" }, 400, field("string", of("max_tokens"), "int")],
    [{ seed: 1.5 }, 400, field("number", of("seed"), "int")],
    [{ seed: 1e300 }, 400, field("number", of("seed"), "int")],
    [{ max_tokens: 1e300 }, 400, field("number 1e+300", of("max_tokens"), "int")],
    [{ temperature: "hot" }, 400, field("string", of("temperature"), "float64")],
    ['{"temperature":1e999}', 400, field("number", of("temperature"), "float64")],
    [{ stream_options: [] }, 400, field("array", of("stream_options"), "openai.StreamOptions")],
  ];
  for (const [body, status, message, param = null] of rows) {
    const fake = cluster();
    const response = await post(fake, body);
    const what = (typeof body === "string" ? body : JSON.stringify(body)).slice(0, 200);
    t.equal(response.status, status, what);
    t.equal(response.headers.get("content-type"), "application/json", what);
    const type = status === 404 ? "not_found_error" : "invalid_request_error";
    t.strictSame(await response.json(), { error: { message, type, param, code: null } }, what);
    t.strictSame(fake.inference.generated, [], what);
  }
});

t.test("what the engine is asked", async (t) => {
  const plain = { temperature: 1, topP: 1 };
  const schema = { type: "object" };
  const rows: readonly (readonly [given: object, wanted: object])[] = [
    [{}, { runner: {}, sampling: plain }],
    [
      { temperature: 0, top_p: 0.5, seed: 7, presence_penalty: 1, frequency_penalty: -1 },
      {
        runner: {},
        sampling: {
          ...{ seed: 7, temperature: 0, topP: 0.5, presencePenalty: 1, frequencyPenalty: -1 },
        },
      },
    ],
    [{ seed: 2 ** 63 }, { runner: {}, sampling: { ...plain, seed: 1_024 } }],
    [{ max_tokens: 5 }, { runner: {}, sampling: plain, maxTokens: 5 }],
    [{ max_completion_tokens: 6 }, { runner: {}, sampling: plain, maxTokens: 6 }],
    [
      { max_tokens: 5, max_completion_tokens: 6 },
      { runner: {}, sampling: plain, maxTokens: 6 },
    ],
    [{ stop: "a" }, { runner: {}, sampling: plain, stop: ["a"] }],
    [{ stop: ["a", "b"] }, { runner: {}, sampling: plain, stop: ["a", "b"] }],
    [{ stop: null }, { runner: {}, sampling: plain }],
    [{ logprobs: true }, { runner: {}, sampling: plain, logprobs: { top: 0 } }],
    [
      { logprobs: true, top_logprobs: 3 },
      { runner: {}, sampling: plain, logprobs: { top: 3 } },
    ],
    [{ top_logprobs: 3 }, { runner: {}, sampling: plain }],
    [{ response_format: { type: "text" } }, { runner: {}, sampling: plain }],
    [{ response_format: {} }, { runner: {}, sampling: plain }],
    [{ response_format: { type: "json_object" } }, { runner: {}, sampling: plain, format: "json" }],
    [
      { response_format: { type: "json_schema", json_schema: { name: "x", schema } } },
      { runner: {}, sampling: plain, format: schema },
    ],
    [
      { user: "me", logit_bias: { 5: -100 }, parallel_tool_calls: false, store: true },
      { runner: {}, sampling: plain },
    ],
  ];
  for (const [given, wanted] of rows) {
    const {
      requestId: _id,
      model: _model,
      input,
      ...rest
    } = (await asked({ ...ASK, ...given })) ?? {};
    t.strictSame(rest, wanted, JSON.stringify(given));
    t.strictSame(input, { kind: "messages", messages: MESSAGES }, JSON.stringify(given));
  }
  const noTools = await asked({ ...ASK, model: "tooly", tools: [TOOL], tool_choice: "none" });
  t.strictSame(noTools?.input, { kind: "messages", messages: MESSAGES }, "no tool may be called");
});

t.test("messages as templates see them", async (t) => {
  const request = await asked({
    model: "llama",
    messages: [
      { role: "Developer", content: "d", name: "x" },
      {
        role: "user",
        content: [
          { type: "text", text: "one" },
          { type: "text", text: "two" },
        ],
      },
      { role: "user", content: [] },
      {
        role: "assistant",
        content: null,
        reasoning: "hm",
        tool_calls: [
          { id: "1", type: "function", function: { name: "f", arguments: '{"b":1,"a":2}' } },
          { function: { name: "g", arguments: "" } },
        ],
      },
      { role: "tool", content: [{ type: "text", text: "22" }], tool_call_id: "1" },
      { role: "tool", content: "23", tool_call_id: "unknown" },
    ],
  });
  t.strictSame(request?.input, {
    kind: "messages",
    messages: [
      { role: "developer", content: "d" },
      { role: "user", content: "one\ntwo" },
      { role: "user", content: "" },
      {
        role: "assistant",
        content: "",
        thinking: "hm",
        toolCalls: [
          { id: "1", name: "f", arguments: { b: 1, a: 2 } },
          { name: "g", arguments: {} },
        ],
      },
      { role: "tool", content: "22", toolName: "f", toolCallId: "1" },
      { role: "tool", content: "23", toolCallId: "unknown" },
    ],
  });
});

t.test("tools: shown to the model, and called by it", async (t) => {
  const ask = { ...ASK, model: "tooly", tools: [TOOL] };
  const call = '{"name":"f","arguments":{"a":1}}';
  const saying = (text: string): FakeCluster => {
    const fake = cluster();
    fake.inference.script = () =>
      eventsOf([
        { ...{ type: "started", promptTokens: 5, cachedTokens: 0, loadMs: 0 }, output: HERMES },
        { type: "text", text, tokens: 3 },
        end("stop", 3),
      ]);
    return fake;
  };
  const free = saying(`ok <tool_call>${call}</tool_call>`);
  const written = { name: "f", arguments: '{"a":1}' };
  t.match(await (await post(free, ask)).json(), {
    choices: [
      {
        message: { content: "ok", tool_calls: [{ id: /^call_/, function: written }] },
        finish_reason: "tool_calls",
      },
    ],
  });
  t.strictSame(free.inference.generated[0]?.input, {
    ...{ kind: "messages", messages: MESSAGES, tools: [TOOL] },
  });
  t.equal(free.inference.generated[0]?.format, undefined);
  for (const choice of ["required", { type: "function", function: { name: "f" } }]) {
    const forced = saying(call);
    const chunks = await chunksOf(
      await post(forced, { ...ask, stream: true, tool_choice: choice }),
    );
    t.match(chunks, [
      { choices: [{ delta: { role: "assistant", tool_calls: [{ function: written }] } }] },
      { choices: [{ delta: {}, finish_reason: "tool_calls" }] },
    ]);
    t.match(forced.inference.generated[0]?.format, {
      oneOf: [{ properties: { name: { const: "f" } } }],
    });
  }
});

t.test("how much to think", async (t) => {
  for (const [given, think] of [
    [{}, true],
    [{ reasoning_effort: "" }, true],
    [{ reasoning_effort: "none" }, false],
    [{ reasoning_effort: "minimal" }, "low"],
    [{ reasoning_effort: "low" }, "low"],
    [{ reasoning_effort: "medium" }, "medium"],
    [{ reasoning_effort: "high" }, "high"],
    [{ reasoning_effort: "max" }, "max"],
    [{ reasoning_effort: "xhigh" }, "max"],
    [{ reasoning_effort: "ultra" }, "max"],
    [{ reasoning: { effort: "high" }, reasoning_effort: "low" }, "high"],
  ] as const) {
    const input = (await asked({ ...ASK, model: "qwen:8b", ...given }))?.input;
    t.equal(input?.kind === "messages" ? input.think : "?", think, JSON.stringify(given));
  }
  t.ok(await asked({ ...ASK, reasoning_effort: "none" }), "of a model that cannot");
});

t.test("a whole answer", async (t) => {
  const response = await post(cluster(), ASK);
  t.equal(response.headers.get("content-type"), "application/json");
  t.equal(response.headers.get("x-ollamamax-node"), ROUTE.node);
  t.equal(response.headers.get("x-ollamamax-attempts"), "1");
  const { id, ...body } = (await response.json()) as { readonly id: string };
  t.match(id, /^chatcmpl-[0-9a-f]{24}$/);
  t.strictSame(body, {
    object: "chat.completion",
    created: CREATED,
    model: "llama",
    system_fingerprint: "fp_ollama",
    choices: [
      { index: 0, message: { role: "assistant", content: "hello" }, finish_reason: "stop" },
    ],
    usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 },
  });
});

t.test("chunks", async (t) => {
  const response = await post(cluster(), {
    ...ASK,
    stream: true,
    stream_options: { include_usage: true },
  });
  t.equal(response.headers.get("content-type"), "text/event-stream");
  t.equal(response.headers.get("x-ollamamax-node"), ROUTE.node);
  const chunks = await chunksOf(response);
  const ids = new Set(chunks.map((chunk) => (chunk as { id: string }).id));
  t.equal(ids.size, 1);
  const head = {
    id: [...ids][0],
    object: "chat.completion.chunk",
    created: CREATED,
    model: "llama",
    system_fingerprint: "fp_ollama",
  };
  const choice = (delta: object, reason: string | null) => ({
    ...head,
    choices: [{ index: 0, delta, finish_reason: reason }],
  });
  t.strictSame(chunks, [
    choice({ role: "assistant", content: "hel" }, null),
    choice({ content: "lo" }, null),
    choice({}, "stop"),
    {
      ...head,
      choices: [],
      usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 },
    },
  ]);
  const without = await chunksOf(await post(cluster(), { ...ASK, stream: true }));
  t.equal(without.length, 3, "no usage unless it is asked for");
});

t.test("an answer without a word still has a role", async (t) => {
  const fake = cluster();
  fake.inference.script = () => eventsOf([end("length", 0)]);
  t.match(await chunksOf(await post(fake, { ...ASK, stream: true })), [
    { choices: [{ delta: { role: "assistant", content: "" }, finish_reason: null }] },
    { choices: [{ delta: {}, finish_reason: "length" }] },
  ]);
});

t.test(
  "several answers: seeds differ, each has its role and its end, the prompt counts once",
  async (t) => {
    const script = (fake: FakeCluster): FakeCluster => {
      fake.inference.script = ({ sampling }) =>
        eventsOf([
          { type: "routed", ...ROUTE },
          { type: "text", text: `${sampling.seed}`, tokens: 1 },
          end("stop", 3),
        ]);
      return fake;
    };
    const whole = script(cluster());
    const body = await (await post(whole, { ...ASK, n: 3, seed: 2 ** 31 - 1 })).json();
    t.match(body, {
      choices: [
        { index: 0, message: { content: `${2 ** 31 - 1}` } },
        { index: 1, message: { content: `${2 ** 31}` } },
        { index: 2, message: { content: `${2 ** 31 + 1}` } },
      ],
      usage: { prompt_tokens: 5, completion_tokens: 9, total_tokens: 14 },
    });
    const [first, ...others] = whole.inference.generated.map(({ requestId }) => requestId);
    t.strictSame(others, [`${first}.1`, `${first}.2`]);

    const streamed = script(cluster());
    const chunks = (await chunksOf(
      await post(streamed, {
        ...{ ...ASK, n: 20, stream: true, stream_options: { include_usage: true } },
      }),
    )) as {
      choices: { index: number; delta: { role?: string }; finish_reason: string | null }[];
    }[];
    const seeds = new Set(streamed.inference.generated.map(({ sampling }) => sampling.seed));
    t.equal(seeds.size, 20, "also without a seed");
    for (let index = 0; index < 20; index++) {
      const own = chunks
        .flatMap(({ choices }) => choices)
        .filter((choice) => choice.index === index);
      t.strictSame(
        own.map(({ delta, finish_reason }) => [delta.role, finish_reason]),
        [
          ["assistant", null],
          [undefined, "stop"],
        ],
        `choice ${index}`,
      );
    }
    t.match(chunks.at(-1), { usage: { prompt_tokens: 5, completion_tokens: 60 } });
  },
);

t.test("logprobs", async (t) => {
  const top = [{ token: "h", logprob: -0.5, bytes: [104] }];
  const fake = cluster();
  fake.inference.script = () =>
    eventsOf([
      {
        type: "text",
        text: "hi",
        tokens: 2,
        logprobs: [
          { token: "h", logprob: -0.5, bytes: [104], top },
          { token: "i", logprob: -1, bytes: [105] },
        ],
      },
      end("stop", 2),
    ]);
  const content = [
    { token: "h", logprob: -0.5, bytes: [104], top_logprobs: top },
    { token: "i", logprob: -1, bytes: [105], top_logprobs: [] },
  ];
  const ask = { ...ASK, logprobs: true, top_logprobs: 1 };
  t.match(await (await post(fake, ask)).json(), { choices: [{ logprobs: { content } }] });
  t.match((await chunksOf(await post(fake, { ...ask, stream: true })))[0], {
    choices: [{ delta: { content: "hi" }, logprobs: { content } }],
  });
});

t.test("failures before the first word have their status, later ones an event", async (t) => {
  const busy = new InferenceError("BUSY", "server busy", { details: { retryAfterMs: 1_500 } });
  const badSchema = new InferenceError("INVALID_OPTION", "invalid format: {}");
  const rows = [
    [busy, 503, "api_error", "server busy"],
    [badSchema, 400, "invalid_request_error", "invalid format: {}"],
    [new Error("inner"), 500, "api_error", "internal server error"],
  ] as const;
  for (const [failure, status, type, message] of rows) {
    for (const stream of [false, true]) {
      const fake = cluster();
      fake.inference.failure = failure;
      const response = await post(fake, { ...ASK, stream, n: 2 });
      t.equal(response.status, status, message);
      t.equal(response.headers.get("content-type"), "application/json");
      t.equal(response.headers.get("retry-after"), status === 503 ? "2" : null);
      t.match(await response.json(), { error: { message, type } });
    }
  }
  const fake = cluster();
  fake.inference.script = async function* () {
    yield { type: "text", text: "hel", tokens: 1 };
    throw new InferenceError("RUNNER_DIED", "all replicas are gone");
  };
  const text = await (await post(fake, { ...ASK, stream: true })).text();
  const events = sseEvents(text).map(({ data }) => JSON.parse(data) as unknown);
  t.match(events[0], { choices: [{ delta: { content: "hel" } }] });
  t.strictSame(events.slice(1), [
    {
      error: {
        ...{ message: "all replicas are gone", type: "api_error", param: null, code: null },
      },
    },
  ]);
  t.match(fake.log.lines, [{ level: "warn", problem: "all replicas are gone" }]);
  fake.inference.script = () => eventsOf([{ type: "text", text: "hel", tokens: 1 }]);
  const broken = await (await post(fake, { ...ASK, stream: true })).text();
  t.match(broken, /the answer broke off before its end/, "no [DONE] of an answer without an end");
  t.notMatch(broken, /\[DONE\]/);
});

t.test("one of several answers that fails ends the others", async (t) => {
  const fake = cluster();
  let left = 0;
  fake.inference.script = async function* ({ requestId }, signal) {
    if (requestId.endsWith(".1")) throw new InferenceError("RUNNER_DIED", "gone");
    try {
      yield { type: "routed", ...ROUTE };
      if (!signal.aborted) await once(signal, "abort");
      throw signal.reason;
    } finally {
      left++;
    }
  };
  const response = await post(fake, { ...ASK, n: 3 });
  t.equal(response.status, 502);
  t.equal(left, 2);
});

t.test("the rendered prompt", async (t) => {
  const fake = cluster();
  fake.inference.script = () => eventsOf([{ type: "rendered", prompt: "<s>hi" }]);
  const response = await post(fake, { ...ASK, stream: true, _debug_render_only: true });
  t.match(await response.json(), {
    choices: [{ message: { content: "" } }],
    _debug_info: { rendered_template: "<s>hi" },
  });
});

t.test("a draining node says so in the envelope", async (t) => {
  const app = createApp(cluster(), () => true);
  const response = await app.request("/v1/chat/completions", { method: "POST", body: "{}" });
  t.equal(response.status, 503);
  t.equal(response.headers.get("retry-after"), "5");
  t.match(await response.json(), { error: { type: "api_error", message: /shutting down/ } });
});
