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
  recordOf("registry.ollama.ai/library/qwen:8b", ["completion", "thinking", "tools"]),
];
const MESSAGES = [{ role: "user", content: "hi" }];
const ASK = { model: "llama", max_tokens: 9, messages: MESSAGES };
const TOOL = { name: "f", description: "d", input_schema: { type: "object" } };

async function post(cluster: FakeCluster, body: unknown, path = "/v1/messages") {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return await createApp(cluster, () => false).request(path, { method: "POST", body: text });
}

const cluster = (): FakeCluster => fakeCluster({ records: RECORDS });

/** A cluster whose model says this. */
function saying(...texts: readonly string[]): FakeCluster {
  const fake = cluster();
  const script: RoutedEvent[] = [
    { type: "routed", ...ROUTE },
    {
      ...{ type: "started", promptTokens: 5, cachedTokens: 0, loadMs: 0 },
      output: { calls: "hermes", thinking: { open: "<think>", close: "</think>" } },
    },
    ...texts.map((text) => ({ type: "text", text, tokens: 1 }) as const),
    { type: "end", reason: "stop", promptTokens: 5, tokens: 7, promptMs: 1, outputMs: 1 },
  ];
  fake.inference.script = () => eventsOf(script);
  return fake;
}

t.test("refusals, in Anthropic's envelope", async (t) => {
  const of = (content: unknown) => ({ ...ASK, messages: [{ role: "user", content }] });
  const image = (source: unknown) => of([{ type: "image", source }]);
  const tool = (given: object) => ({ ...ASK, tools: [given] });
  const noBlocks = "'content' must be a string or a list of blocks";
  type Row = readonly [body: unknown, message: string, status?: number];
  const rows: readonly Row[] = [
    ["", "EOF"],
    ["{", "unexpected EOF"],
    ["[]", "json: cannot unmarshal array into Go value of type anthropic.MessagesRequest"],
    [{}, "model is required"],
    [{ model: "llama" }, "max_tokens is required and must be positive"],
    [{ model: "llama", max_tokens: -1 }, "max_tokens is required and must be positive"],
    [{ model: "llama", max_tokens: 9 }, "messages is required"],
    [{ ...ASK, messages: [] }, "messages is required"],
    [{ ...ASK, model: "x" }, "model 'x' not found", 404],
    [{ ...ASK, model: "bert" }, '"bert" does not support chat'],
    [{ ...ASK, system: 5 }, "'system' must be a string or a list of blocks"],
    [of(5), noBlocks],
    [of(["hi"]), noBlocks],
    [of([{ type: "text", text: 5 }]), "'text' must be a string"],
    [of([{ type: "tool_use", name: "f" }]), "tool_use block missing required 'id' field"],
    [of([{ type: "tool_use", id: "1" }]), "tool_use block missing required 'name' field"],
    [
      of([{ type: "tool_use", id: "1", name: "f", input: [] }]),
      "the 'input' of a tool_use block must be an object",
    ],
    [image("x"), "invalid image source"],
    [
      image({ type: "url", url: "https://example.com" }),
      "invalid image source type: url. Only base64 images are supported.",
    ],
    [image({ type: "base64", data: "?" }), "invalid base64 image data"],
    [
      image({ type: "base64", data: "aGk=" }),
      "this model is missing data required for image input",
    ],
    [tool({}), "a tool must have a name"],
    [tool(TOOL), "registry.ollama.ai/library/llama:latest does not support tools"],
    [
      { ...ASK, tool_choice: { type: "maybe" } },
      'tool_choice must be of type "auto", "any", "tool" or "none"',
    ],
    [
      { ...ASK, output_config: { effort: "much" } },
      'invalid effort "much" (must be one of low, medium, high, xhigh, max)',
    ],
    ...[{ type: "json_schema" }, { type: "json_object", schema: {} }].map(
      (format): Row => [
        { ...ASK, output_config: { format } },
        'output_config.format must be of type "json_schema", with a schema',
      ],
    ),
    [{ ...ASK, stop_sequences: [null, 5] }, /stop_sequences of type string$/.source],
  ];
  for (const [body, message, status = 400] of rows) {
    const fake = cluster();
    const response = await post(fake, body);
    const what = JSON.stringify(body);
    t.equal(response.status, status, what);
    t.equal(response.headers.get("content-type"), "application/json");
    const type = status === 404 ? "not_found_error" : "invalid_request_error";
    const { request_id: id, ...rest } = (await response.json()) as {
      readonly request_id: string;
      readonly error: { readonly message: string };
    };
    t.match(id, /^req_[0-9a-f]{24}$/);
    if (message.endsWith("$")) t.match(rest.error.message, new RegExp(message), what);
    else t.strictSame(rest, { type: "error", error: { type, message } }, what);
    t.strictSame(fake.inference.generated, [], what);
  }
});

t.test("blocks become messages", async (t) => {
  const text = (value: string) => ({ type: "text", text: value });
  const reference = (name: string) => ({ type: "tool_reference", tool_name: name });
  const fake = saying("hello");
  const response = await post(fake, {
    ...ASK,
    system: [text("be"), { ...text("short"), cache_control: { type: "ephemeral" } }],
    messages: [
      { role: "user", content: [text("one"), text("two")] },
      {
        role: "assistant",
        content: [
          { type: "thinking", thinking: "hm", signature: "" },
          text("let me see"),
          { type: "tool_use", id: "1", name: "f", input: { b: 1 } },
          { type: "tool_use", id: "2", name: "g" },
        ],
      },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: "1", content: [reference("one")] },
          { type: "tool_result", tool_use_id: "2", content: [text("two")], is_error: true },
          text("and now?"),
        ],
      },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "3" }] },
      { role: "assistant", content: [{ type: "server_tool_use", id: "4" }] },
    ],
  });
  t.equal(response.status, 200, await response.text());
  t.strictSame(fake.inference.generated[0]?.input, {
    kind: "messages",
    messages: [
      { role: "system", content: "be\nshort" },
      { role: "user", content: "one\ntwo" },
      {
        role: "assistant",
        content: "let me see",
        thinking: "hm",
        toolCalls: [
          { id: "1", name: "f", arguments: { b: 1 } },
          { id: "2", name: "g", arguments: {} },
        ],
      },
      { role: "tool", content: "one", toolName: "f", toolCallId: "1" },
      { role: "tool", content: "two", toolName: "g", toolCallId: "2" },
      { role: "user", content: "and now?" },
      { role: "tool", content: "", toolCallId: "3" },
      { role: "assistant", content: "" },
    ],
  });
});

t.test("what the engine is asked", async (t) => {
  const plain = { runner: {}, sampling: {}, maxTokens: 9 };
  const rows: readonly (readonly [given: object, wanted: object])[] = [
    [{}, plain],
    [
      { temperature: 0, top_p: 0.5, top_k: 3 },
      { ...plain, sampling: { temperature: 0, topP: 0.5, topK: 3 } },
    ],
    [{ stop_sequences: ["a"] }, { ...plain, stop: ["a"] }],
    [{ stop_sequences: [] }, plain],
    [
      { output_config: { format: { type: "json_schema", schema: { type: "object" } } } },
      { ...plain, format: { type: "object" } },
    ],
    [
      { output_format: { type: "json_schema", schema: { type: "object" } } },
      { ...plain, format: { type: "object" } },
    ],
    [{ metadata: { user_id: "x" }, service_tier: "auto" }, plain],
  ];
  for (const [given, wanted] of rows) {
    const fake = saying("hi");
    await post(fake, { ...ASK, ...given });
    const {
      requestId: _id,
      model: _model,
      input: _input,
      ...rest
    } = fake.inference.generated[0] ?? {};
    t.strictSame(rest, wanted, JSON.stringify(given));
  }
});

t.test("how much to think", async (t) => {
  for (const [given, think] of [
    [{}, true],
    [{ thinking: { type: "enabled", budget_tokens: 1024 } }, true],
    [{ thinking: { type: "adaptive" } }, true],
    [{ thinking: { type: "disabled" } }, false],
    [{ thinking: { type: "disabled" }, output_config: { effort: "low" } }, false],
    [{ output_config: { effort: "low" } }, "low"],
    [{ output_config: { effort: "xhigh" } }, "high"],
    [{ thinking: { type: "enabled" }, output_config: { effort: "max" } }, "max"],
  ] as const) {
    const fake = saying("hi");
    await post(fake, { ...ASK, model: "qwen:8b", ...given });
    t.match(fake.inference.generated[0]?.input, { think }, JSON.stringify(given));
    const without = saying("hi");
    t.equal((await post(without, { ...ASK, ...given })).status, 200, "of a model that cannot");
    t.strictSame(without.inference.generated[0]?.input, { kind: "messages", messages: MESSAGES });
  }
});

t.test("tools", async (t) => {
  const ask = { ...ASK, model: "qwen:8b", tools: [TOOL] };
  const call = '{"name":"f","arguments":{"a":1}}';
  const fake = saying(`<tool_call>${call}</tool_call>`);
  t.match(await (await post(fake, ask)).json(), {
    content: [{ type: "tool_use", id: /^call_/, name: "f", input: { a: 1 } }],
    stop_reason: "tool_use",
  });
  t.match(fake.inference.generated[0]?.input, {
    tools: [
      {
        type: "function",
        function: { name: "f", description: "d", parameters: { type: "object" } },
      },
    ],
  });
  for (const choice of [{ type: "any" }, { type: "tool", name: "f" }]) {
    const forced = saying(call);
    t.match(await (await post(forced, { ...ask, tool_choice: choice })).json(), {
      content: [{ type: "tool_use", name: "f", input: { a: 1 } }],
    });
    t.match(forced.inference.generated[0], { input: { think: false }, format: { oneOf: [{}] } });
    const thoughtful = saying("<think>hm</think>", call);
    t.match(await (await post(thoughtful, { ...ask, tool_choice: choice })).json(), {
      content: [
        { type: "thinking", thinking: "hm" },
        { type: "tool_use", name: "f", input: { a: 1 } },
      ],
    });
  }
  const none = saying("hi");
  await post(none, { ...ask, tool_choice: { type: "none" } });
  t.notOk(JSON.stringify(none.inference.generated).includes("tools"));
  const served = { type: "web_search_20250305", name: "web_search" };
  const others = cluster();
  t.equal((await post(others, { ...ASK, tools: [served] })).status, 200, "nobody runs it");
  t.notOk(JSON.stringify(others.inference.generated).includes("tools"));
});

t.test("a whole message", async (t) => {
  const response = await post(saying("<think>hm</think>", "hel", "lo"), ASK);
  t.equal(response.headers.get("content-type"), "application/json");
  t.equal(response.headers.get("x-ollamamax-node"), ROUTE.node);
  const { id, ...rest } = (await response.json()) as { readonly id: string };
  t.match(id, /^msg_[0-9a-f]{24}$/);
  t.strictSame(rest, {
    type: "message",
    role: "assistant",
    model: "llama",
    content: [
      { type: "thinking", thinking: "hm", signature: "" },
      { type: "text", text: "hello" },
    ],
    stop_reason: "end_turn",
    stop_sequence: null,
    usage: { input_tokens: 5, output_tokens: 7 },
  });
  t.match(await (await post(saying(), ASK)).json(), { content: [] });
});

async function eventsIn(response: Response) {
  t.equal(response.headers.get("content-type"), "text/event-stream");
  return sseEvents(await response.text()).map(({ name, data }) => {
    const { type, ...rest } = JSON.parse(data) as Record<string, unknown>;
    t.equal(type, name);
    return [type, rest];
  });
}

t.test("a message as events", async (t) => {
  const call = '<tool_call>{"name":"f","arguments":{"a":1}}</tool_call>';
  const events = await eventsIn(
    await post(saying("<think>hm", "</think>", "hel", "lo", call), {
      ...{ ...ASK, model: "qwen:8b", tools: [TOOL], stream: true },
    }),
  );
  const message = events[0]?.[1] as { readonly message: { readonly id: string } };
  const delta = (index: number, type: string, fields: object) => [
    "content_block_delta",
    { index, delta: { type, ...fields } },
  ];
  const start = (index: number, block: object) => [
    "content_block_start",
    { index, content_block: block },
  ];
  const stop = (index: number) => ["content_block_stop", { index }];
  const id = /"(call_\w+)"/.exec(JSON.stringify(events))?.[1];
  t.strictSame(events, [
    [
      "message_start",
      {
        message: {
          ...{ id: message.message.id, type: "message", role: "assistant", model: "qwen:8b" },
          ...{ content: [], stop_reason: null, stop_sequence: null },
          usage: { input_tokens: 5, output_tokens: 0 },
        },
      },
    ],
    start(0, { type: "thinking", thinking: "", signature: "" }),
    delta(0, "thinking_delta", { thinking: "hm" }),
    stop(0),
    start(1, { type: "text", text: "" }),
    delta(1, "text_delta", { text: "hel" }),
    delta(1, "text_delta", { text: "lo" }),
    stop(1),
    start(2, { type: "tool_use", id, name: "f", input: {} }),
    delta(2, "input_json_delta", { partial_json: '{"a":1}' }),
    stop(2),
    [
      "message_delta",
      {
        delta: { stop_reason: "tool_use", stop_sequence: null },
        usage: { input_tokens: 5, output_tokens: 7 },
      },
    ],
    ["message_stop", {}],
  ]);
  const silent = await eventsIn(await post(saying(), { ...ASK, stream: true }));
  t.strictSame(
    silent.map(([type]) => type),
    ["message_start", "message_delta", "message_stop"],
  );
});

t.test("failures", async (t) => {
  const fake = cluster();
  fake.inference.failure = new InferenceError("BUSY", "server busy");
  const busy = await post(fake, { ...ASK, stream: true });
  t.equal(busy.status, 503);
  t.equal(busy.headers.get("retry-after"), "1");
  t.match(await busy.json(), { error: { type: "overloaded_error", message: "server busy" } });
  fake.inference.failure = new Error("inner");
  const failed = await post(fake, ASK);
  t.equal(failed.status, 500);
  t.match(await failed.json(), { error: { type: "api_error", message: "internal server error" } });
  fake.inference.failure = undefined;
  fake.inference.script = async function* () {
    yield { type: "text", text: "hel", tokens: 1 };
    throw new InferenceError("RUNNER_DIED", "all replicas are gone");
  };
  const events = sseEvents(await (await post(fake, { ...ASK, stream: true })).text());
  t.equal(events.at(-1)?.name, "error");
  t.match(JSON.parse(events.at(-1)?.data ?? ""), {
    type: "error",
    error: { type: "api_error", message: "all replicas are gone" },
    request_id: /^req_/,
  });
  t.notOk(events.some(({ name }) => name === "message_stop"));
  const draining = await createApp(cluster(), () => true).request("/v1/messages", {
    method: "POST",
  });
  t.match(await draining.json(), { type: "error", error: { type: "overloaded_error" } });
});

t.test("tokens of a prompt, counted where the model is", async (t) => {
  const path = "/v1/messages/count_tokens";
  const fake = cluster();
  fake.inference.script = () =>
    eventsOf([
      { type: "routed", ...ROUTE },
      { type: "rendered", prompt: "<s>hi" },
      { type: "end", reason: "stop", promptTokens: 42, tokens: 0, promptMs: 0, outputMs: 0 },
    ]);
  const { max_tokens: _max, ...ask } = ASK;
  const response = await post(fake, ask, path);
  t.equal(response.headers.get("content-type"), "application/json");
  t.equal(response.headers.get("x-ollamamax-node"), ROUTE.node);
  t.strictSame(await response.json(), { input_tokens: 42 });
  t.match(fake.inference.generated, [{ renderOnly: true, truncate: false }]);
  const missing = await post(fake, { ...ask, model: "x" }, path);
  t.equal(missing.status, 404);
  t.match(await missing.json(), { type: "error", error: { type: "not_found_error" } });
});
