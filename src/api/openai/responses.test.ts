import OpenAI from "openai";
import t from "tap";
import {
  eventsOf,
  type FakeCluster,
  fakeCluster,
  ROUTE,
  recordOf,
} from "../../../test/fixtures/fake-cluster.ts";
import { sseEvents } from "../../../test/fixtures/http.ts";
import { tone } from "../../../test/fixtures/sounds.ts";
import { InferenceError } from "../../core/errors.ts";
import { createApp } from "../app.ts";

const RECORDS = [
  recordOf("registry.ollama.ai/library/llama:latest"),
  recordOf("registry.ollama.ai/library/qwen:8b", ["completion", "thinking", "tools"]),
];
const ASK = { model: "llama", input: "hi" };
const AT = Date.UTC(2026, 0, 1) / 1_000;

function post(cluster: FakeCluster, body: unknown): Promise<Response> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return Promise.resolve(
    createApp(cluster, () => false).request("/v1/responses", { method: "POST", body: text }),
  );
}

const cluster = (): FakeCluster => fakeCluster({ records: RECORDS });

t.test("refusals, in OpenAI's envelope", async (t) => {
  const item = (given: object) => ({ model: "llama", input: [given] });
  const part = (given: unknown) => item({ role: "user", content: [given] });
  const tool = (given: unknown) => ({ ...ASK, tools: [given] });
  type Row = readonly [body: unknown, message: string, param?: string | null, status?: number];
  const rows: readonly Row[] = [
    ["", "EOF"],
    [{ input: "hi" }, "model is required", "model"],
    [{ ...ASK, model: "x" }, "model 'x' not found", null, 404],
    [{ model: "llama" }, "input must be a string or array", "input"],
    [{ ...ASK, input: 5 }, "input must be a string or array", "input"],
    [{ ...ASK, input: {} }, "input must be a string or array", "input"],
    [{ ...ASK, input: [] }, "[] is too short - 'input'", "input"],
    [{ ...ASK, input: ["hi"] }, "an input item must be an object", "input"],
    [item({}), "input item missing required 'type' field", "input"],
    [item({ type: "dance" }), 'unknown input item type: "dance"', "input"],
    [
      item({ type: "item_reference", id: "msg_1" }),
      "no items are stored here to refer to: send them whole, with 'store': false",
      "input",
    ],
    [item({ role: 5 }), "'role' must be a string", "input"],
    [item({ role: "user", content: 5 }), "content must be a string or array", "input"],
    [part("hi"), "a content part must be an object", "input"],
    [part({ type: "dance" }), "unknown content type: dance", "input"],
    [part({ type: "input_text", text: 5 }), "'text' must be a string", "input"],
    [part({ type: "input_file" }), "file inputs are not currently supported", "input"],
    [part({ type: "input_image", image_url: "data:x" }), "invalid image input", "input"],
    [part({ type: "input_audio" }), "invalid input_audio format", "input"],
    [
      part({ type: "input_audio", input_audio: { data: tone(440), format: "wav" } }),
      "this model is missing data required for audio input",
      "messages",
    ],
    [
      part({ type: "input_image", image_url: "data:image/png;base64,aGk=" }),
      "this model is missing data required for image input",
      "messages",
    ],
    [
      item({ type: "function_call", name: "f", arguments: "5" }),
      "invalid tool call arguments",
      "input",
    ],
    [tool({}), "a tool must have a type", "tools"],
    [tool({ type: "function" }), "a function must have a name", "tools"],
    [
      { ...ASK, reasoning: { effort: "much" } },
      'invalid reasoning value: "much" (must be "minimal", "low", "medium", "high", "xhigh", "ultra", "max", or "none")',
      "reasoning.effort",
    ],
    [
      { ...ASK, text: { format: { type: "json_schema" } } },
      "invalid text.format: json_schema.schema must be an object",
      "text.format",
    ],
    [
      { ...ASK, max_output_tokens: "5" },
      "json: cannot unmarshal string into Go struct field ResponsesRequest.max_output_tokens of type int",
    ],
  ];
  for (const [body, message, param = null, status = 400] of rows) {
    const fake = cluster();
    const response = await post(fake, body);
    const what = JSON.stringify(body);
    t.equal(response.status, status, what);
    const type = status === 404 ? "not_found_error" : "invalid_request_error";
    t.strictSame(await response.json(), { error: { message, type, param, code: null } }, what);
    t.strictSame(fake.inference.generated, [], what);
  }
});

t.test("items become messages", async (t) => {
  const text = (type: string, value: string) => ({ type, text: value });
  const call = { call_id: "1", name: "f", arguments: '{"a":1}' };
  type Row = readonly [given: object, messages: readonly object[]];
  const rows: readonly Row[] = [
    [{ input: "hi" }, [{ role: "user", content: "hi" }]],
    [
      { instructions: "be short", input: [{ role: "User", content: "hi" }] },
      [
        { role: "system", content: "be short" },
        { role: "user", content: "hi" },
      ],
    ],
    [
      {
        input: [
          {
            type: "message",
            role: "user",
            content: [text("input_text", "a"), text("input_text", "b")],
          },
          { type: "reasoning", summary: [], encrypted_content: "hm" },
          { type: "message", role: "assistant", content: [text("output_text", "c")] },
          { role: "user" },
        ],
      },
      [
        { role: "user", content: "a\nb" },
        { role: "assistant", content: "c", thinking: "hm" },
        { role: "user", content: "" },
      ],
    ],
    [
      {
        input: [
          { type: "reasoning", encrypted_content: "hm" },
          { type: "function_call", ...call },
          { type: "function_call", ...call, call_id: "2", namespace: "ns", arguments: "" },
          { type: "function_call_output", call_id: "1", output: "one" },
          { type: "function_call_output", call_id: "2", output: [text("input_text", "two")] },
          { type: "web_search_call", id: "ws_1" },
          { type: "reasoning", encrypted_content: "so" },
        ],
      },
      [
        {
          role: "assistant",
          content: "",
          thinking: "hm",
          toolCalls: [
            { id: "1", name: "f", arguments: { a: 1 } },
            { id: "2", name: "ns.f", arguments: {} },
          ],
        },
        { role: "tool", content: "one", toolName: "f", toolCallId: "1" },
        { role: "tool", content: "two", toolName: "ns.f", toolCallId: "2" },
        { role: "assistant", content: "", thinking: "so" },
      ],
    ],
    [
      {
        input: [
          { role: "assistant", content: "let me see" },
          { type: "function_call", ...call, call_id: undefined },
        ],
      },
      [
        {
          role: "assistant",
          content: "let me see",
          toolCalls: [{ name: "f", arguments: { a: 1 } }],
        },
      ],
    ],
  ];
  for (const [given, messages] of rows) {
    const fake = cluster();
    const response = await post(fake, { model: "llama", ...given });
    t.equal(response.status, 200, await response.text());
    t.strictSame(fake.inference.generated[0]?.input, { kind: "messages", messages });
  }
});

t.test("what the engine is asked", async (t) => {
  const schema = { type: "object" };
  const rows: readonly (readonly [given: object, wanted: object])[] = [
    [{}, { sampling: { temperature: 1 } }],
    [{ temperature: 0, top_p: 0.5 }, { sampling: { temperature: 0, topP: 0.5 } }],
    [{ max_output_tokens: 5 }, { sampling: { temperature: 1 }, maxTokens: 5 }],
    [
      { text: { format: { type: "json_schema", name: "x", schema } } },
      { sampling: { temperature: 1 }, format: schema },
    ],
    [
      { text: { format: { type: "json_object" } } },
      { sampling: { temperature: 1 }, format: "json" },
    ],
    [{ text: { format: { type: "text" } } }, { sampling: { temperature: 1 } }],
    [
      { include: ["message.output_text.logprobs"], top_logprobs: 2 },
      { sampling: { temperature: 1 }, logprobs: { top: 2 } },
    ],
    [
      { store: true, include: [], previous_response_id: "resp_1", top_logprobs: 2 },
      { sampling: { temperature: 1 } },
    ],
  ];
  for (const [given, wanted] of rows) {
    const fake = cluster();
    await (await post(fake, { ...ASK, ...given })).text();
    const {
      requestId: _id,
      model: _model,
      input: _input,
      ...rest
    } = fake.inference.generated[0] ?? {};
    t.strictSame(rest, { runner: {}, ...wanted }, JSON.stringify(given));
  }
  const fake = cluster();
  await post(fake, { ...ASK, model: "qwen:8b", reasoning: { effort: "high" } });
  t.match(fake.inference.generated[0]?.input, { think: "high" });
});

const ENVELOPE = {
  object: "response",
  created_at: AT,
  incomplete_details: null,
  model: "llama",
  previous_response_id: null,
  instructions: null,
  error: null,
  tools: [],
  tool_choice: "auto",
  truncation: "disabled",
  parallel_tool_calls: true,
  text: { format: { type: "text" } },
  top_p: 1,
  presence_penalty: 0,
  frequency_penalty: 0,
  top_logprobs: 0,
  temperature: 1,
  reasoning: null,
  max_output_tokens: null,
  max_tool_calls: null,
  store: false,
  background: false,
  service_tier: "default",
  metadata: {},
  safety_identifier: null,
  prompt_cache_key: null,
};
const USAGE = {
  input_tokens: 5,
  output_tokens: 2,
  total_tokens: 7,
  input_tokens_details: { cached_tokens: 0 },
  output_tokens_details: { reasoning_tokens: 0 },
};
const part = (text: string) => ({ type: "output_text", text, annotations: [], logprobs: [] });
const said = (id: string, text: string) => ({
  ...{ id, type: "message", status: "completed", role: "assistant", content: [part(text)] },
});

t.test("a whole response", async (t) => {
  const response = await post(cluster(), ASK);
  t.equal(response.headers.get("content-type"), "application/json");
  t.equal(response.headers.get("x-ollamamax-node"), ROUTE.node);
  const { id, output, ...rest } = (await response.json()) as {
    readonly id: string;
    readonly output: readonly [{ readonly id: string }];
  };
  t.match(id, /^resp_[0-9a-f]{24}$/);
  t.match(output[0].id, /^msg_[0-9a-f]{24}$/);
  t.strictSame(output, [said(output[0].id, "hello")]);
  t.strictSame(rest, { ...ENVELOPE, completed_at: AT, status: "completed", usage: USAGE });
  const echoed = {
    ...{ instructions: "be short", temperature: 0, top_p: 0.5, max_output_tokens: 9 },
    ...{ truncation: "auto", background: true, reasoning: { effort: "none", summary: "auto" } },
  };
  t.match(await (await post(cluster(), { ...ASK, ...echoed })).json(), echoed);
});

t.test("a response as events", async (t) => {
  const response = await post(cluster(), { ...ASK, stream: true });
  t.equal(response.headers.get("content-type"), "text/event-stream");
  t.equal(response.headers.get("cache-control"), "no-cache");
  const events = sseEvents(await response.text()).map(({ name, data }) => {
    const { type, sequence_number: number, ...rest } = JSON.parse(data) as Record<string, unknown>;
    t.equal(type, name);
    return { type, number, rest };
  });
  t.strictSame(
    events.map(({ number }) => number),
    events.map((_, index) => index),
  );
  const { id: responseId } = Object(events[0]?.rest["response"]) as { readonly id: string };
  const { id } = Object(events[2]?.rest["item"]) as { readonly id: string };
  const begun = {
    response: {
      ...{ id: responseId, ...ENVELOPE, completed_at: null, status: "in_progress" },
      ...{ output: [], usage: null },
    },
  };
  const place = { item_id: id, output_index: 0, content_index: 0 };
  t.strictSame(
    events.map(({ type, rest }) => [type, rest]),
    [
      ["response.created", begun],
      ["response.in_progress", begun],
      [
        "response.output_item.added",
        { output_index: 0, item: { ...said(id, ""), status: "in_progress", content: [] } },
      ],
      ["response.content_part.added", { ...place, part: part("") }],
      ["response.output_text.delta", { ...place, delta: "hel", logprobs: [] }],
      ["response.output_text.delta", { ...place, delta: "lo", logprobs: [] }],
      ["response.output_text.done", { ...place, text: "hello", logprobs: [] }],
      ["response.content_part.done", { ...place, part: part("hello") }],
      ["response.output_item.done", { output_index: 0, item: said(id, "hello") }],
      [
        "response.completed",
        {
          response: {
            ...{ id: responseId, ...ENVELOPE, completed_at: AT, status: "completed" },
            ...{ output: [said(id, "hello")], usage: USAGE },
          },
        },
      ],
    ],
  );
});

t.test("failures", async (t) => {
  const fake = cluster();
  fake.inference.failure = new InferenceError("BUSY", "server busy");
  const refused = await post(fake, { ...ASK, stream: true });
  t.equal(refused.status, 503);
  t.match(await refused.json(), { error: { type: "api_error" } });
  const broken = cluster();
  broken.inference.script = async function* () {
    yield { type: "text", text: "hel", tokens: 1 };
    throw new InferenceError("RUNNER_DIED", "all replicas are gone");
  };
  const events = sseEvents(await (await post(broken, { ...ASK, stream: true })).text());
  const { name, data } = events.at(-1) ?? { name: undefined, data: "" };
  t.equal(name, "error");
  const message = "all replicas are gone";
  t.strictSame(JSON.parse(data), {
    ...{ type: "error", sequence_number: 5, code: null, message, param: null },
    error: { message, type: "api_error", param: null, code: null },
  });
});

t.test("tools that OpenAI's servers run are left out", async (t) => {
  const fake = cluster();
  const tools = [{ type: "web_search" }, { type: "custom", name: "patch" }];
  const response = await post(fake, { ...ASK, tools, tool_choice: { type: "web_search" } });
  t.equal(response.status, 200, await response.text());
  t.notOk(JSON.stringify(fake.inference.generated).includes("tools"));
});

t.test("OpenAI's client follows the stream of a model that thinks and calls", async (t) => {
  const fake = cluster();
  const output = { calls: "hermes", thinking: { open: "<think>", close: "</think>" } };
  const said = [
    "<think>hm",
    " so</think>",
    "I look.",
    '<tool_call>\n{"name":"f","arguments":{"a":1}}\n</tool_call>',
  ];
  fake.inference.script = () =>
    eventsOf([
      { type: "routed", ...ROUTE },
      { type: "started", promptTokens: 5, cachedTokens: 1, loadMs: 2, output },
      ...said.map((text) => ({ type: "text", text, tokens: 1 }) as const),
      { type: "end", reason: "stop", promptTokens: 5, tokens: 4, promptMs: 1, outputMs: 1 },
    ]);
  const app = createApp(fake, () => false);
  const client = new OpenAI({
    ...{ apiKey: "none", baseURL: "http://127.0.0.1/v1", maxRetries: 0 },
    fetch: async (url, init) => await app.request(String(url), init as RequestInit),
  });
  const parameters = { type: "object", properties: { a: { type: "integer" } } };
  const stream = client.responses.stream({
    ...{ model: "qwen:8b", input: "hi" },
    tools: [{ type: "function", name: "f", parameters, strict: false }],
  });
  const final = await stream.finalResponse();
  t.match(final.output, [
    { type: "reasoning", summary: [{ type: "summary_text", text: "hm so" }] },
    { type: "message", content: [{ text: "I look." }] },
    { type: "function_call", name: "f", arguments: '{"a":1}' },
  ]);
  t.equal(final.output_text, "I look.");
});
