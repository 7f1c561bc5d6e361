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
];
const JSON_UTF8 = "application/json; charset=utf-8";
const AT = "2026-01-01T00:00:00.000Z";

function post(cluster: FakeCluster, body: unknown): Promise<Response> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return Promise.resolve(
    createApp(cluster, () => false).request("/api/generate", { method: "POST", body: text }),
  );
}

t.test("refusals, in Ollama's words and order", async (t) => {
  const think = '"high", "medium", "low", "max", true, or false';
  const rows: readonly (readonly [body: unknown, status: number, error: string])[] = [
    ["", 400, "missing request body"],
    ["  ", 400, "EOF"],
    ["{", 400, "unexpected EOF"],
    ["model=x", 400, "invalid character 'm' looking for beginning of value"],
    ["[]", 400, "json: cannot unmarshal array into Go value of type api.GenerateRequest"],
    ["null", 404, "model '' not found"],
    [{}, 404, "model '' not found"],
    [{ model: null }, 404, "model '' not found"],
    [{ top_logprobs: 21 }, 400, "top_logprobs must be between 0 and 20"],
    [{ model: "x", top_logprobs: -1 }, 400, "top_logprobs must be between 0 and 20"],
    [{ model: "a b" }, 400, "invalid model name"],
    [{ model: "../x" }, 400, "invalid model name"],
    [{ model: "x:cloud:local" }, 400, 'use either :local or :cloud, not both: "x:cloud:local"'],
    [{ model: "x" }, 404, "model 'x' not found"],
    [{ model: "Lib/X:y" }, 404, "model 'Lib/X:y' not found"],
    [
      { model: "flux", prompt: "a cat" },
      400,
      "image generation models are not currently supported",
    ],
    ...[{ template: "t" }, { system: "s" }, { context: [1] }].map(
      (extra) =>
        [
          { model: "llama", prompt: "p", raw: true, ...extra },
          400,
          "raw mode does not support template, system, or context",
        ] as const,
    ),
    [{ model: "llama", prompt: "p", think: true }, 400, '"llama" does not support thinking'],
    [{ model: "llama", prompt: "p", think: "low" }, 400, '"llama" does not support thinking'],
    [{ model: "bert", prompt: "p", think: true }, 400, '"bert" does not support thinking'],
    [{ model: "bert", prompt: "p" }, 400, '"bert" does not support generate'],
    [{ model: "bert" }, 400, '"bert" does not support generate'],
    [
      { model: "test", prompt: "p", suffix: "s" },
      400,
      "registry.ollama.ai/library/test:latest does not support insert",
    ],
    [
      { model: "llama", prompt: "p", format: "xml" },
      500,
      'invalid format: "\\"xml\\""; expected "json" or a valid JSON Schema object',
    ],
    [
      { model: "llama", prompt: "p", format: [1] },
      500,
      'invalid format: "[1]"; expected "json" or a valid JSON Schema object',
    ],
    // Types, with Go's words.
    [
      { model: 1 },
      400,
      "json: cannot unmarshal number into Go struct field GenerateRequest.model of type string",
    ],
    [
      { stream: "no" },
      400,
      "json: cannot unmarshal string into Go struct field GenerateRequest.stream of type bool",
    ],
    [
      { context: [1, "a"] },
      400,
      "json: cannot unmarshal string into Go struct field GenerateRequest.context of type int",
    ],
    [
      { context: 1 },
      400,
      "json: cannot unmarshal number into Go struct field GenerateRequest.context of type []int",
    ],
    [
      { top_logprobs: 1.5 },
      400,
      "json: cannot unmarshal number 1.5 into Go struct field GenerateRequest.top_logprobs of type int",
    ],
    [
      { options: [] },
      400,
      "json: cannot unmarshal array into Go struct field GenerateRequest.options of type map[string]interface {}",
    ],
    [
      { images: [{}] },
      400,
      "json: cannot unmarshal object into Go struct field GenerateRequest.images of type api.ImageData",
    ],
    [{ keep_alive: true }, 400, "Unsupported type: 'bool'"],
    [{ keep_alive: {} }, 400, "Unsupported type: 'map[string]interface {}'"],
    [{ keep_alive: [] }, 400, "Unsupported type: '[]interface {}'"],
    [{ keep_alive: "300" }, 400, 'time: missing unit in duration "300"'],
    [{ keep_alive: "" }, 400, 'time: invalid duration ""'],
    [{ keep_alive: "5 minutes" }, 400, 'time: unknown unit " minutes" in duration "5 minutes"'],
    [{ think: 1 }, 400, `think must be a boolean or string (${think})`],
    [{ think: "very" }, 400, `invalid think value: "very" (must be ${think})`],
  ];
  for (const [body, status, error] of rows) {
    const cluster = fakeCluster({ records: RECORDS });
    const response = await post(cluster, body);
    const what = typeof body === "string" ? body : JSON.stringify(body);
    t.equal(response.status, status, what);
    t.equal(response.headers.get("content-type"), JSON_UTF8, what);
    t.strictSame(await response.json(), { error }, what);
    t.strictSame(cluster.inference.generated, [], what);
    t.strictSame(
      cluster.log.lines.filter(({ level }) => level === "error"),
      [],
      what,
    );
  }
});

t.test("base64 of images, as Go decodes it", async (t) => {
  const rows: readonly (readonly [image: string, badAt: number | undefined])[] = [
    ["", undefined],
    ["aGk=", undefined],
    ["aG\nk=\r\n", undefined],
    ["aA==", undefined],
    ["aGkh", undefined],
    ["data:image/png;base64,aGk=", 4],
    ["aG_k", 2],
    ["a", 0],
    ["aGkha", 4],
    ["aGk", 0],
    ["=", 0],
    ["a===", 1],
    ["aA=", 3],
    ["aA=b", 2],
    ["aA==x", 4],
    ["aGk==", 4],
    ["aGk=aGk=", 4],
  ];
  for (const [image, badAt] of rows) {
    const cluster = fakeCluster({ records: RECORDS });
    const response = await post(cluster, { model: "llama", prompt: "p", images: [image] });
    const text = await response.text();
    if (badAt === undefined) t.equal(response.status, 200, image);
    else t.equal(text, `{"error":"illegal base64 data at input byte ${badAt}"}`, image);
  }
});

t.test(
  "an empty prompt loads, or unloads with keep_alive 0, in one object also when streaming",
  async (t) => {
    for (const stream of [true, false, undefined]) {
      const cluster = fakeCluster({ records: RECORDS });
      const load = await post(cluster, { model: "LLAMA:latest", stream, keep_alive: "1h" });
      t.equal(load.headers.get("content-type"), JSON_UTF8);
      t.equal(load.headers.get("x-ollamamax-node"), "self");
      const empty = { model: "LLAMA:latest", created_at: AT, response: "", done: true };
      t.equal(await load.text(), JSON.stringify({ ...empty, done_reason: "load" }));
      t.match(cluster.inference.loaded, [{ model: RECORDS[0]?.manifest, keepAliveMs: 3_600_000 }]);
      const unload = await post(cluster, { model: "LLAMA:latest", stream, keep_alive: 0 });
      t.equal(unload.headers.get("content-type"), JSON_UTF8);
      t.equal(await unload.text(), JSON.stringify({ ...empty, done_reason: "unload" }));
      t.strictSame(cluster.inference.unloaded, [RECORDS[0]?.manifest]);
      t.equal(cluster.inference.loaded.length, 1, "unloading never loads");
    }
  },
);

t.test("keep_alive", async (t) => {
  const rows: readonly (readonly [given: unknown, ms: number | undefined])[] = [
    [undefined, undefined],
    [null, undefined],
    [30, 30_000],
    [0.5, 500],
    [-1, Number.POSITIVE_INFINITY],
    ["-1s", Number.POSITIVE_INFINITY],
    ["1h30m", 5_400_000],
    ["300ms", 300],
    ["0", 0],
  ];
  for (const [given, ms] of rows) {
    const cluster = fakeCluster({ records: RECORDS });
    await (await post(cluster, { model: "llama", prompt: "p", keep_alive: given })).text();
    t.equal(cluster.inference.generated[0]?.keepAliveMs, ms, String(given));
  }
});

t.test("what a request becomes", async (t) => {
  const messages = [{ role: "user", content: "p" }];
  const base = { runner: {}, sampling: {}, returnContext: true };
  const rows: readonly (readonly [extra: object, request: object])[] = [
    [{}, { ...base, input: { kind: "messages", messages } }],
    [
      { system: "s" },
      {
        ...base,
        input: { kind: "messages", messages: [{ role: "system", content: "s" }, ...messages] },
      },
    ],
    [
      { template: "{{ .Prompt }}", context: [1, 2] },
      {
        ...base,
        input: { kind: "messages", messages, template: "{{ .Prompt }}", context: [1, 2] },
      },
    ],
    [
      { images: ["aGk="] },
      {
        ...base,
        input: { kind: "messages", messages: [{ role: "user", content: "p", images: ["aGk="] }] },
      },
    ],
    [{ think: false }, { ...base, input: { kind: "messages", messages, think: false } }],
    [{ raw: true }, { runner: {}, sampling: {}, input: { kind: "prompt", prompt: "p" } }],
    [
      { raw: false, format: "" },
      { ...base, input: { kind: "messages", messages } },
    ],
    [
      { format: "json", truncate: false, shift: false, logprobs: true, top_logprobs: 3 },
      {
        ...base,
        input: { kind: "messages", messages },
        format: "json",
        truncate: false,
        shift: false,
        logprobs: { top: 3 },
      },
    ],
    [
      { format: { type: "object" }, top_logprobs: 3 },
      { ...base, input: { kind: "messages", messages }, format: { type: "object" } },
    ],
    [
      { PROMPT: "p", Options: { NUM_CTX: 1, num_ctx: 9 }, unknown: {}, width: 5 },
      { ...base, input: { kind: "messages", messages }, runner: { numCtx: 9 } },
    ],
  ];
  for (const [extra, expected] of rows) {
    const cluster = fakeCluster({ records: RECORDS });
    const response = await post(cluster, { model: "llama", prompt: "p", stream: false, ...extra });
    t.equal(response.status, 200, JSON.stringify(extra));
    const [{ requestId: _id, model: _model, ...request } = {}] = cluster.inference
      .generated as object[] as Record<string, unknown>[];
    t.strictSame(request, expected, JSON.stringify(extra));
  }
  for (const [model, extra, input] of [
    ["qwen:8b", {}, { kind: "messages", messages, think: true }],
    ["qwen:8b", { think: "high" }, { kind: "messages", messages, think: "high" }],
    ["coder", { suffix: "s" }, { kind: "prompt", prompt: "p", suffix: "s" }],
  ] as const) {
    const cluster = fakeCluster({ records: RECORDS });
    await (await post(cluster, { model, prompt: "p", ...extra })).text();
    t.strictSame(cluster.inference.generated[0]?.input, input, model);
  }
});

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
  const body = { model: "llama", prompt: "p", images: ["aGk="], _debug_render_only: true };
  const response = await post(cluster, body);
  t.equal(response.headers.get("content-type"), JSON_UTF8);
  t.strictSame(await response.json(), {
    model: "llama",
    created_at: AT,
    response: "",
    done: false,
    _debug_info: { rendered_template: "<s>p", image_count: 1 },
  });
  t.equal(cluster.inference.generated[0]?.renderOnly, true);
});

t.test("an error before the first piece keeps its status", async (t) => {
  const busy = new InferenceError("BUSY", "server busy", { details: { retryAfterMs: 2_001 } });
  const rows: readonly (readonly [error: Error, status: number, text: string, log: string[]])[] = [
    [busy, 503, "server busy", ["warn"]],
    [new InferenceError("INVALID_REQUEST", "too long"), 400, "too long", []],
    [new InferenceError("MODEL_NOT_HERE", "gone"), 404, "gone", []],
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
