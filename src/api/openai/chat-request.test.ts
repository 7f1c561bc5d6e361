import t from "tap";
import { type FakeCluster, fakeCluster, recordOf } from "../../../test/fixtures/fake-cluster.ts";
import { tone } from "../../../test/fixtures/sounds.ts";
import { createApp } from "../app.ts";

const RECORDS = [
  recordOf("registry.ollama.ai/library/llama:latest"),
  recordOf("registry.ollama.ai/library/bert:latest", ["embedding"]),
  recordOf("registry.ollama.ai/library/llava:latest", ["completion", "vision"]),
  recordOf("registry.ollama.ai/library/ultravox:latest", ["completion", "audio"]),
  recordOf("registry.ollama.ai/library/tooly:latest", ["completion", "tools"]),
  recordOf("registry.ollama.ai/library/qwen:8b", ["completion", "thinking"]),
];
const MESSAGES = [{ role: "user", content: "hi" }];
const ASK = { model: "llama", messages: MESSAGES };
const TOOL = { type: "function", function: { name: "f" } };

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
  const noImages = "this model is missing data required for image input";
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
    [audio({ data: "?" }), 400, "invalid input_audio format", "messages"],
    [
      audio({ data: "aGk=", format: "ogg" }),
      400,
      "invalid input_audio format: send WAV, MP3 or FLAC",
      "messages",
    ],
    [
      audio({ data: tone(440), format: "wav" }),
      400,
      "this model is missing data required for audio input",
      "messages",
    ],
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
      { role: "assistant", content: null, reasoning: "so" },
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
      { role: "assistant", content: "", thinking: "so" },
    ],
  });
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

t.test("images go to a model that sees", async (t) => {
  const part = { type: "image_url", image_url: { url: "data:image/png;base64,aGk=" } };
  const messages = [{ role: "user", content: [{ type: "text", text: "what?" }, part] }];
  t.match(await asked({ model: "llava", messages }), {
    input: { messages: [{ role: "user", content: "what?", images: ["aGk="] }] },
  });
});

t.test("sounds go to a model that hears", async (t) => {
  const data = tone(440);
  const part = { type: "input_audio", input_audio: { data, format: "wav" } };
  const messages = [{ role: "user", content: [{ type: "text", text: "what?" }, part] }];
  t.match(await asked({ model: "ultravox", messages }), {
    input: { messages: [{ role: "user", content: "what?", images: [data] }] },
  });
});
