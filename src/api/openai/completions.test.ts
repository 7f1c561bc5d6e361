import t from "tap";
import {
  eventsOf,
  type FakeCluster,
  fakeCluster,
  ROUTE,
  recordOf,
} from "../../../test/fixtures/fake-cluster.ts";
import { sseEvents } from "../../../test/fixtures/http.ts";
import { createApp } from "../app.ts";

const RECORDS = [
  recordOf("registry.ollama.ai/library/llama:latest"),
  recordOf("registry.ollama.ai/library/bert:latest", ["embedding"]),
  recordOf("registry.ollama.ai/library/coder:latest", ["completion", "insert"]),
];
const ASK = { model: "llama", prompt: "hi" };
const CREATED = Date.UTC(2026, 0, 1) / 1_000;

function post(cluster: FakeCluster, body: unknown): Promise<Response> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return Promise.resolve(
    createApp(cluster, () => false).request("/v1/completions", { method: "POST", body: text }),
  );
}

const cluster = (): FakeCluster => fakeCluster({ records: RECORDS });

/** Answers each prompt with itself. */
function echoing(): FakeCluster {
  const fake = cluster();
  fake.inference.script = ({ input }) => {
    const text = input.kind === "prompt" ? input.prompt : (input.messages[0]?.content ?? "");
    return eventsOf([
      { type: "routed", ...ROUTE },
      { type: "text", text: `<${text}>`, tokens: 2 },
      { type: "end", reason: "stop", promptTokens: 3, tokens: 2, promptMs: 1, outputMs: 1 },
    ]);
  };
  return fake;
}

async function chunksOf(response: Response): Promise<readonly unknown[]> {
  const events = sseEvents(await response.text());
  t.equal(events.at(-1)?.data, "[DONE]");
  return events.slice(0, -1).map(({ data }) => JSON.parse(data) as unknown);
}

t.test("refusals, in OpenAI's envelope", async (t) => {
  const tokens = "lists of tokens are not supported: send 'prompt' as text";
  type Row = readonly [body: unknown, status: number, message: string, param?: string];
  const rows: readonly Row[] = [
    ["", 400, "EOF"],
    [{ prompt: "hi" }, 400, "model is required", "model"],
    [{ ...ASK, model: "x" }, 404, "model 'x' not found"],
    [{ ...ASK, model: "bert" }, 400, '"bert" does not support generate'],
    [
      { ...ASK, suffix: "b" },
      400,
      "registry.ollama.ai/library/llama:latest does not support insert",
      "suffix",
    ],
    [{ ...ASK, prompt: 1 }, 400, "invalid type for 'prompt' field: float64", "prompt"],
    [{ ...ASK, prompt: [] }, 400, "[] is too short - 'prompt'", "prompt"],
    [{ ...ASK, prompt: [1, 2] }, 400, tokens, "prompt"],
    [{ ...ASK, prompt: [[1, 2]] }, 400, tokens, "prompt"],
    [{ ...ASK, stop: 5 }, 400, "invalid type for 'stop' field: float64", "stop"],
    [{ ...ASK, n: 0 }, 400, "'n' must be between 1 and 128", "n"],
    [
      { ...ASK, prompt: Array.from({ length: 9 }, () => "a"), n: 128 },
      400,
      "a request may ask for 1024 answers at most, prompts times 'n'",
      "prompt",
    ],
    [{ ...ASK, logprobs: 21 }, 400, "top_logprobs must be between 0 and 20"],
    [
      { ...ASK, logprobs: true },
      400,
      "json: cannot unmarshal bool into Go struct field CompletionRequest.logprobs of type int",
    ],
  ];
  for (const [body, status, message, param = null] of rows) {
    const fake = cluster();
    const response = await post(fake, body);
    const what = JSON.stringify(body);
    t.equal(response.status, status, what);
    const type = status === 404 ? "not_found_error" : "invalid_request_error";
    t.strictSame(await response.json(), { error: { message, type, param, code: null } }, what);
    t.strictSame([...fake.inference.generated, ...fake.inference.loaded], [], what);
  }
});

t.test("a prompt is a turn of its own, beside a suffix it is text", async (t) => {
  const plain = echoing();
  await post(plain, { ...ASK, max_tokens: 4, seed: 1, temperature: 0 });
  t.match(plain.inference.generated, [
    {
      input: { kind: "messages", messages: [{ role: "user", content: "hi" }] },
      sampling: { temperature: 0, topP: 1, seed: 1 },
      maxTokens: 4,
    },
  ]);
  const insert = echoing();
  await post(insert, { model: "coder", prompt: "a", suffix: "b" });
  t.match(insert.inference.generated, [{ input: { kind: "prompt", prompt: "a", suffix: "b" } }]);
});

t.test("a whole answer", async (t) => {
  const response = await post(echoing(), ASK);
  t.equal(response.headers.get("content-type"), "application/json");
  t.equal(response.headers.get("x-ollamamax-node"), ROUTE.node);
  const { id, ...body } = (await response.json()) as { readonly id: string };
  t.match(id, /^cmpl-[0-9a-f]{24}$/);
  t.strictSame(body, {
    object: "text_completion",
    created: CREATED,
    model: "llama",
    system_fingerprint: "fp_ollama",
    choices: [{ text: "<hi>", index: 0, finish_reason: "stop" }],
    usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
  });
});

t.test("several prompts, several answers to each", async (t) => {
  const fake = echoing();
  const response = await post(fake, { model: "llama", prompt: ["a", "b"], n: 2 });
  t.match(await response.json(), {
    choices: [
      { index: 0, text: "<a>" },
      { index: 1, text: "<a>" },
      { index: 2, text: "<b>" },
      { index: 3, text: "<b>" },
    ],
    usage: { prompt_tokens: 6, completion_tokens: 8, total_tokens: 14 },
  });
  const ids = fake.inference.generated.map(({ requestId }) => requestId);
  t.equal(new Set(ids).size, 4);
});

t.test("an empty prompt only loads", async (t) => {
  const fake = echoing();
  const ended = { index: 0, text: "", finish_reason: "load" };
  for (const prompt of ["", undefined, null]) {
    const body = await (await post(fake, { model: "llama", prompt })).json();
    t.match(body, { choices: [ended], usage: { total_tokens: 0 } }, `${prompt}`);
  }
  t.equal(fake.inference.loaded.length, 3);
  const keys = Object.keys(fake.inference.loaded[0] ?? {});
  t.strictSame(keys, ["requestId", "model", "runner"], "peers refuse what is not of loading");
  const mixed = await (await post(fake, { model: "llama", prompt: ["", "b"] })).json();
  t.match(mixed, { choices: [ended, { text: "<b>" }], usage: { prompt_tokens: 3 } });
  t.equal(fake.inference.generated.length, 1);
});

t.test("chunks, with zeros for usage until the last", async (t) => {
  const usage = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
  const response = await post(echoing(), {
    ...ASK,
    stream: true,
    stream_options: { include_usage: true },
  });
  t.equal(response.headers.get("content-type"), "text/event-stream");
  t.match(await chunksOf(response), [
    {
      object: "text_completion",
      created: CREATED,
      choices: [{ text: "<hi>", index: 0, finish_reason: null }],
      usage,
    },
    { choices: [{ text: "", index: 0, finish_reason: "stop" }], usage },
    { choices: [], usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } },
  ]);
  const without = await chunksOf(await post(echoing(), { ...ASK, stream: true }));
  t.equal(without.length, 2);
  t.notOk(without.some((chunk) => Object.hasOwn(chunk as object, "usage")));
});

t.test("logprobs, in the older form", async (t) => {
  const fake = cluster();
  const token = (text: string, logprob: number) => ({
    ...{ token: text, logprob, bytes: [...Buffer.from(text)] },
    top: [{ token: "x", logprob: -0.1, bytes: [120] }],
  });
  fake.inference.script = () =>
    eventsOf([
      { type: "text", text: "héy", tokens: 2, logprobs: [token("hé", -1), token("y", -2)] },
      { type: "text", text: "o", tokens: 1, logprobs: [token("o", -3)] },
      { type: "end", reason: "stop", promptTokens: 1, tokens: 3, promptMs: 1, outputMs: 1 },
    ]);
  const whole = await (await post(fake, { ...ASK, logprobs: 1 })).json();
  const top = { x: -0.1 };
  t.match(whole, {
    choices: [
      {
        logprobs: {
          tokens: ["hé", "y", "o"],
          token_logprobs: [-1, -2, -3],
          top_logprobs: [top, top, top],
          text_offset: [0, 2, 3],
        },
      },
    ],
  });
  const chunks = await chunksOf(await post(fake, { ...ASK, logprobs: 1, stream: true }));
  t.match(chunks[1], { choices: [{ logprobs: { tokens: ["o"], text_offset: [3] } }] });
});
