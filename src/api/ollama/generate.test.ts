import t from "tap";
import {
  eventsOf,
  type FakeCluster,
  fakeCluster,
  recordOf,
} from "../../../test/fixtures/fake-cluster.ts";
import { ndjson } from "../../../test/fixtures/http.ts";
import { InferenceError } from "../../core/errors.ts";
import { createApp } from "../app.ts";

const RECORDS = [
  recordOf("registry.ollama.ai/library/llama:latest"),
  recordOf("registry.ollama.ai/library/test:latest"),
  recordOf("registry.ollama.ai/library/coder:latest", ["completion", "insert"]),
  recordOf("registry.ollama.ai/library/qwen:8b", ["completion", "thinking"]),
  recordOf("registry.ollama.ai/library/bert:latest", ["embedding"]),
  recordOf("registry.ollama.ai/library/flux:latest", ["image"]),
  recordOf("registry.ollama.ai/library/llava:latest", ["completion", "vision"]),
];
const JSON_UTF8 = "application/json; charset=utf-8";
const AT = "2026-01-01T00:00:00.000Z";

function post(cluster: FakeCluster, body: unknown): Promise<Response> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return Promise.resolve(
    createApp(cluster, () => false).request("/api/generate", { method: "POST", body: text }),
  );
}

const METRICS = {
  load_duration: 2_000_000,
  prompt_eval_count: 5,
  prompt_eval_duration: 1_500_000,
  eval_count: 2,
  eval_duration: 3_000_000,
};

t.test("a streamed answer: one object a line, the figures on the last", async (t) => {
  const response = await post(fakeCluster({ records: RECORDS }), { model: "LLaMA", prompt: "p" });
  t.equal(response.headers.get("content-type"), "application/x-ndjson");
  t.equal(response.headers.get("x-ollamamax-node"), "self");
  t.equal(response.headers.get("x-ollamamax-attempts"), "1");
  t.equal(response.headers.get("x-ollamamax-overhead-ms"), "0.46");
  const text = await response.text();
  t.ok(text.endsWith("}\n"));
  const piece = { model: "LLaMA", created_at: AT };
  t.strictSame(ndjson(text), [
    { ...piece, response: "hel", done: false },
    { ...piece, response: "lo", done: false },
    { ...piece, response: "", done: true, done_reason: "stop", context: [1, 2, 3], ...METRICS },
  ]);
});

t.test("a whole answer", async (t) => {
  const cluster = fakeCluster({ records: RECORDS });
  const body = { model: "llama", prompt: "p", stream: false };
  const response = await post(cluster, body);
  t.equal(response.headers.get("content-type"), JSON_UTF8);
  const whole = {
    model: "llama",
    created_at: AT,
    response: "hello",
    done: true,
    done_reason: "stop",
    context: [1, 2, 3],
    ...METRICS,
  };
  t.equal(await response.text(), JSON.stringify(whole), "no line end, fields in Ollama's order");
});

t.test("figures that are zero are left out; time passes on the clock", async (t) => {
  const cluster = fakeCluster({ records: RECORDS });
  cluster.inference.script = async function* () {
    yield { type: "text", text: "<&>\u2028", tokens: 1 };
    await cluster.clock.advance(7);
    yield { type: "end", reason: "length", promptTokens: 0, tokens: 1, promptMs: 0, outputMs: 0 };
  };
  const response = await post(cluster, { model: "llama", prompt: "p", stream: false });
  t.equal(response.headers.get("x-ollamamax-node"), null, "nobody said who answered");
  const text = await response.text();
  t.match(text, '"response":"\\u003c\\u0026\\u003e\\u2028"', "Go's escapes");
  t.strictSame(JSON.parse(text), {
    model: "llama",
    created_at: "2026-01-01T00:00:00.007Z",
    response: "<&>\u2028",
    done: true,
    done_reason: "length",
    total_duration: 7_000_000,
    load_duration: 1,
    eval_count: 1,
  });
});

t.test("log probabilities go with their text, and together in a whole answer", async (t) => {
  const one = { token: "a", logprob: -0.5, bytes: [97] };
  const two = { token: "b", logprob: -1, bytes: [98] };
  const script = () =>
    eventsOf([
      { type: "text", text: "a", tokens: 1, logprobs: [{ ...one, top: [one, two] }] },
      { type: "text", text: "b", tokens: 1, logprobs: [{ ...two, top: [] }] },
      { type: "end", reason: "stop", promptTokens: 1, tokens: 2, promptMs: 1, outputMs: 1 },
    ]);
  const withTop = { ...one, top_logprobs: [one, two] };
  const ask = async (stream: boolean) => {
    const cluster = fakeCluster({ records: RECORDS });
    cluster.inference.script = script;
    const body = { model: "llama", prompt: "p", logprobs: true, top_logprobs: 2, stream };
    return ndjson(await (await post(cluster, body)).text()).map((line) => line["logprobs"]);
  };
  t.strictSame(await ask(true), [[withTop], [two], undefined]);
  t.strictSame(await ask(false), [[withTop, two]]);
});

t.test("the rendered prompt, in one object", async (t) => {
  const cluster = fakeCluster({ records: RECORDS });
  cluster.inference.script = () => eventsOf([{ type: "rendered", prompt: "<s>p" }]);
  const body = { model: "llava", prompt: "p", images: ["aGk="], _debug_render_only: true };
  const response = await post(cluster, body);
  t.equal(response.headers.get("content-type"), JSON_UTF8);
  t.strictSame(await response.json(), {
    model: "llava",
    created_at: AT,
    response: "",
    done: false,
    _debug_info: { rendered_template: "<s>p", image_count: 1 },
  });
  t.equal(cluster.inference.generated[0]?.renderOnly, true);
});

t.test("a format that is none is refused as an answer that begins", async (t) => {
  for (const [stream, type] of [
    [undefined, "application/json"],
    [true, "application/json"],
    [false, JSON_UTF8],
  ]) {
    const body = { model: "llama", prompt: "p", format: "xml", stream };
    const response = await post(fakeCluster({ records: RECORDS }), body);
    t.equal(response.status, 500);
    t.equal(response.headers.get("content-type"), type, `${stream}`);
  }
});

t.test("an error before the first piece keeps its status", async (t) => {
  const busy = new InferenceError("BUSY", "server busy", { details: { retryAfterMs: 2_001 } });
  const rows: readonly (readonly [error: Error, status: number, text: string, log: string[]])[] = [
    [busy, 503, "server busy", ["warn"]],
    [new InferenceError("INVALID_REQUEST", "too long"), 400, "too long", []],
    [new InferenceError("MODEL_NOT_HERE", "gone"), 404, "gone", []],
    [new InferenceError("RUNNER_DIED", "it died"), 500, "it died", ["warn"]],
    [new InferenceError("LOAD_FAILED", "no memory"), 500, "no memory", ["warn"]],
    [new InferenceError("CANCELLED", "request canceled"), 499, "request canceled", ["debug"]],
    [new DOMException("gone", "AbortError"), 499, "request canceled", ["debug"]],
    [new TypeError("x is undefined"), 500, "internal server error", ["error"]],
  ];
  for (const [error, status, text, log] of rows) {
    for (const stream of [true, false]) {
      const cluster = fakeCluster({ records: RECORDS });
      cluster.inference.failure = error;
      const response = await post(cluster, { model: "llama", prompt: "p", stream });
      t.equal(response.status, status, error.message);
      t.strictSame(await response.json(), { error: text }, error.message);
      const type = stream ? "application/json" : JSON_UTF8;
      t.equal(response.headers.get("content-type"), type, error.message);
      t.equal(response.headers.get("retry-after"), error === busy ? "3" : null, error.message);
      t.strictSame(
        cluster.log.lines.map(({ level }) => level),
        log,
        error.message,
      );
    }
  }
});

t.test("an error after the first piece is the last line", async (t) => {
  const rows: readonly (readonly [error: Error | undefined, text: string, level: string])[] = [
    [new InferenceError("RUNNER_DIED", "it <died>"), "it <died>", "warn"],
    [new Error("inner text"), "internal server error", "error"],
    [undefined, "the answer broke off before its end", "warn"],
  ];
  for (const [error, text, level] of rows) {
    const cluster = fakeCluster({ records: RECORDS });
    cluster.inference.script = async function* () {
      yield { type: "text", text: "a", tokens: 1 };
      if (error) throw error;
    };
    const response = await post(cluster, { model: "llama", prompt: "p" });
    t.equal(response.status, 200);
    const lines = ndjson(await response.text());
    t.equal(lines.length, 2);
    t.strictSame(lines[1], { error: text });
    t.strictSame(
      cluster.log.lines.map((line) => line.level),
      [level],
    );
    const whole = await post(cluster, { model: "llama", prompt: "p", stream: false });
    t.not(whole.status, 200);
    t.strictSame(await whole.json(), { error: text });
  }
});

t.test("an answer that nobody reads is left, so that the engine stops", async (t) => {
  for (const reads of [0, 1]) {
    const cluster = fakeCluster({ records: RECORDS });
    let left = false;
    cluster.inference.script = async function* () {
      try {
        for (;;) yield { type: "text", text: "a", tokens: 1 };
      } finally {
        left = true;
      }
    };
    const response = await post(cluster, { model: "llama", prompt: "p" });
    const reader = response.body?.getReader();
    for (let read = 0; read < reads; read++) await reader?.read();
    await reader?.cancel();
    t.ok(left, `after ${reads} reads`);
    t.strictSame(cluster.log.lines, []);
  }
});
