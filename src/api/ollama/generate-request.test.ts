import t from "tap";
import { type FakeCluster, fakeCluster, recordOf } from "../../../test/fixtures/fake-cluster.ts";
import { createApp } from "../app.ts";

const RECORDS = [
  recordOf("registry.ollama.ai/library/llama:latest"),
  recordOf("registry.ollama.ai/library/test:latest"),
  recordOf("registry.ollama.ai/library/coder:latest", ["completion", "insert"]),
  recordOf("registry.ollama.ai/library/qwen:8b", ["completion", "thinking"]),
  recordOf("registry.ollama.ai/library/bert:latest", ["embedding"]),
  recordOf("registry.ollama.ai/library/llava:latest", ["completion", "vision"]),
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
    [
      { model: "x:cloud", prompt: "p" },
      403,
      "ollama cloud is disabled: remote model is unavailable",
    ],
    [{ model: "gpt-oss:120b-cloud" }, 403, "ollama cloud is disabled: remote model is unavailable"],
    [{ model: "cloud" }, 404, "model 'cloud' not found"],
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
    [
      { model: "llama", prompt: "p", images: ["aGk="] },
      400,
      "this model is missing data required for image input",
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
    // Where the answer would begin, it is a stream's error.
    const type = error.startsWith("invalid format") ? "application/json" : JSON_UTF8;
    t.equal(response.headers.get("content-type"), type, what);
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
    const response = await post(cluster, { model: "llava", prompt: "p", images: [image] });
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

t.test("names find their model in every form", async (t) => {
  for (const model of [
    "LLaMA",
    "llama:latest",
    "library/llama",
    "llama:local",
    "llama:LATEST:Local",
  ]) {
    const cluster = fakeCluster({ records: RECORDS });
    const answer = await post(cluster, { model, prompt: "p", stream: false });
    t.match(await answer.json(), { model });
    t.equal(cluster.inference.generated[0]?.model, RECORDS[0]?.manifest, model);
  }
});

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
    [
      "coder",
      { suffix: "s", template: "{{ .Suffix }}", context: [1, 2], system: "unused" },
      { kind: "prompt", prompt: "p", suffix: "s", template: "{{ .Suffix }}", context: [1, 2] },
    ],
    ["llava", { images: ["aGk="], raw: true }, { kind: "prompt", prompt: "p", images: ["aGk="] }],
    [
      "llava",
      { images: ["aGk="] },
      { kind: "messages", messages: [{ role: "user", content: "p", images: ["aGk="] }] },
    ],
  ] as const) {
    const cluster = fakeCluster({ records: RECORDS });
    await (await post(cluster, { model, prompt: "p", ...extra })).text();
    t.strictSame(cluster.inference.generated[0]?.input, input, model);
  }
});
