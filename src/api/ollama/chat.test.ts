import t from "tap";
import {
  eventsOf,
  type FakeCluster,
  fakeCluster,
  recordOf,
} from "../../../test/fixtures/fake-cluster.ts";
import { ndjson } from "../../../test/fixtures/http.ts";
import { createApp } from "../app.ts";

const RECORDS = [
  recordOf("registry.ollama.ai/library/llama:latest"),
  recordOf("registry.ollama.ai/library/bert:latest", ["embedding"]),
  recordOf("registry.ollama.ai/library/llava:latest", ["completion", "vision"]),
  recordOf("registry.ollama.ai/library/tooly:latest", ["completion", "tools", "vision"]),
  recordOf("registry.ollama.ai/library/qwen:8b", ["completion", "thinking"]),
];
const MESSAGES = [{ role: "user", content: "hi" }];
const JSON_UTF8 = "application/json; charset=utf-8";
const AT = "2026-01-01T00:00:00.000Z";

function post(cluster: FakeCluster, body: unknown): Promise<Response> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return Promise.resolve(
    createApp(cluster, () => false).request("/api/chat", { method: "POST", body: text }),
  );
}

t.test("refusals, in Ollama's words and order", async (t) => {
  const field = (kind: string, path: string, type: string): string =>
    `json: cannot unmarshal ${kind} into Go struct field ChatRequest.${path} of type ${type}`;
  const call = (given: unknown) => ({
    messages: [{ tool_calls: [{ function: { name: "f", arguments: given } }] }],
  });
  const rows: readonly (readonly [body: unknown, status: number, error: string])[] = [
    ["", 400, "missing request body"],
    ['{"model":', 400, "unexpected EOF"],
    ['"chat"', 400, "json: cannot unmarshal string into Go value of type api.ChatRequest"],
    [{}, 400, "model is required"],
    ["null", 400, "model is required"],
    [{ model: "" }, 400, "model is required"],
    [{ top_logprobs: 21 }, 400, "top_logprobs must be between 0 and 20"],
    [{ model: "a b", messages: MESSAGES }, 400, "invalid model name"],
    [{ model: "x", messages: MESSAGES }, 404, "model 'x' not found"],
    [{ model: "x", keep_alive: 0 }, 404, "model 'x' not found"],
    [{ model: "bert" }, 400, '"bert" does not support chat'],
    [{ model: "bert", messages: MESSAGES }, 400, '"bert" does not support chat'],
    [
      { model: "llama", messages: MESSAGES, tools: [{}] },
      400,
      "registry.ollama.ai/library/llama:latest does not support tools",
    ],
    [
      { model: "llama", messages: MESSAGES, think: "max" },
      400,
      '"llama" does not support thinking',
    ],
    [
      { model: "llama", messages: MESSAGES, options: { stop: "x" } },
      500,
      'option "stop" must be of type array',
    ],
    [
      { model: "llama", messages: MESSAGES, format: 5 },
      500,
      'invalid format: "5"; expected "json" or a valid JSON Schema object',
    ],
    [{ messages: {} }, 400, field("object", "messages", "[]api.Message")],
    [{ messages: ["hi"] }, 400, field("string", "messages", "api.Message")],
    [{ messages: [{ content: [] }] }, 400, field("array", "messages.content", "string")],
    [{ messages: [{ role: 1 }] }, 400, field("number", "messages.role", "string")],
    [
      call("{}"),
      400,
      field("string", "messages.tool_calls.function.arguments", "map[string]interface {}"),
    ],
    [{ messages: [{ images: ["?"] }] }, 400, "illegal base64 data at input byte 0"],
    [
      { model: "llama", messages: [{ role: "user", images: ["aGk="] }] },
      400,
      "this model is missing data required for image input",
    ],
    [
      { model: "llava", messages: [{ images: Array.from({ length: 33 }, () => "aGk=") }] },
      400,
      "33 images and sounds are too many: at most 32 go into one request",
    ],
    [{ tools: {} }, 400, field("object", "tools", "api.Tools")],
    [{ messages: [{ images: {} }] }, 400, field("object", "messages.images", "[]api.ImageData")],
    [{ tools: ["f"] }, 400, field("string", "tools", "api.Tool")],
    [{ truncate: 1 }, 400, field("number", "truncate", "bool")],
  ];
  for (const [body, status, error] of rows) {
    const cluster = fakeCluster({ records: RECORDS });
    const response = await post(cluster, body);
    const what = typeof body === "string" ? body : JSON.stringify(body);
    t.equal(response.status, status, what);
    // Where the answer would begin, it is a stream's error.
    const type = error.startsWith("invalid format") ? "application/json" : JSON_UTF8;
    t.equal(response.headers.get("content-type"), type, what);
    t.strictSame(await response.json(), { error }, what);
    t.strictSame(cluster.inference.generated, [], what);
  }
});

t.test("no messages load, or unload with keep_alive 0", async (t) => {
  for (const messages of [[], undefined, null]) {
    const cluster = fakeCluster({ records: RECORDS });
    const empty = {
      model: "llama",
      created_at: AT,
      message: { role: "assistant", content: "" },
      done: true,
    };
    const load = await post(cluster, { model: "llama", messages, options: { num_ctx: 64.9 } });
    t.equal(load.headers.get("content-type"), JSON_UTF8);
    t.equal(await load.text(), JSON.stringify({ ...empty, done_reason: "load" }));
    t.match(cluster.inference.loaded, [{ runner: { numCtx: 64 } }]);
    const unload = await post(cluster, { model: "llama", messages, keep_alive: "0s" });
    t.equal(await unload.text(), JSON.stringify({ ...empty, done_reason: "unload" }));
    t.equal(cluster.inference.unloaded.length, 1);
  }
  const cluster = fakeCluster({ records: RECORDS });
  t.equal((await post(cluster, { model: "bert", keep_alive: 0 })).status, 200, "before the rest");
});

t.test("messages as templates see them", async (t) => {
  const tool = { type: "function", function: { name: "f", parameters: { type: "object" } } };
  const cluster = fakeCluster({ records: RECORDS });
  const response = await post(cluster, {
    model: "tooly",
    tools: [tool],
    messages: [
      { role: "System", content: "s", type: "text" },
      { role: "user", content: "c", images: ["aGk="] },
      {
        role: "assistant",
        thinking: "hm",
        tool_calls: [
          {
            type: "function",
            id: "1",
            function: { index: 0, name: "f", arguments: { b: 1, a: 2 } },
          },
          { function: { name: "g" } },
        ],
      },
      { role: "tool", content: "22", tool_name: "f", tool_call_id: "1" },
      {},
      null,
    ],
  });
  t.equal(response.status, 200);
  t.strictSame(cluster.inference.generated[0]?.input, {
    kind: "messages",
    tools: [tool],
    messages: [
      { role: "system", content: "s" },
      { role: "user", content: "c", images: ["aGk="] },
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
      { role: "", content: "" },
      { role: "", content: "" },
    ],
  });
  const [first] = cluster.inference.generated;
  t.equal(first?.returnContext, undefined, "only generate returns tokens");
});

t.test("thinking is on where the model can", async (t) => {
  for (const [model, think, expected] of [
    ["qwen:8b", undefined, true],
    ["qwen:8b", false, false],
    ["qwen:8b", "low", "low"],
    ["llama", undefined, undefined],
    ["llama", false, false],
    ["llama", null, undefined],
  ] as const) {
    const cluster = fakeCluster({ records: RECORDS });
    await (await post(cluster, { model, think, messages: MESSAGES })).text();
    const input = cluster.inference.generated[0]?.input;
    t.equal(input?.kind === "messages" ? input.think : "?", expected, `${model} ${think}`);
  }
});

t.test("answers, streamed and whole", async (t) => {
  const figures = {
    load_duration: 2_000_000,
    prompt_eval_count: 5,
    prompt_eval_duration: 1_500_000,
    eval_count: 2,
    eval_duration: 3_000_000,
  };
  const said = (content: string) => ({
    model: "llama",
    created_at: AT,
    message: { role: "assistant", content },
  });
  const streamed = await post(fakeCluster({ records: RECORDS }), {
    model: "llama",
    messages: MESSAGES,
  });
  t.equal(streamed.headers.get("content-type"), "application/x-ndjson");
  t.strictSame(ndjson(await streamed.text()), [
    { ...said("hel"), done: false },
    { ...said("lo"), done: false },
    { ...said(""), done: true, done_reason: "stop", ...figures },
  ]);
  const whole = await post(fakeCluster({ records: RECORDS }), {
    model: "llama",
    messages: MESSAGES,
    stream: false,
  });
  t.equal(whole.headers.get("content-type"), JSON_UTF8);
  t.strictSame(await whole.json(), {
    ...said("hello"),
    done: true,
    done_reason: "stop",
    ...figures,
  });
});

t.test("the rendered prompt", async (t) => {
  const cluster = fakeCluster({ records: RECORDS });
  cluster.inference.script = () => eventsOf([{ type: "rendered", prompt: "<s>hi" }]);
  const body = { model: "llama", messages: MESSAGES, _debug_render_only: true };
  t.strictSame(await (await post(cluster, body)).json(), {
    model: "llama",
    created_at: AT,
    message: { role: "assistant", content: "" },
    done: false,
    _debug_info: { rendered_template: "<s>hi" },
  });
});
