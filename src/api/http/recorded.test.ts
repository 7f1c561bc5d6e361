import t from "tap";
import { fakeCluster, recordOf } from "../../../test/fixtures/fake-cluster.ts";
import { InferenceError } from "../../core/errors.ts";
import type { EndedRequest } from "../../core/history.ts";
import { createApp } from "../app.ts";

const LLAMA = "registry.ollama.ai/library/llama:latest";
const PROMPT = "why is the sky blue?";

function open(parts: { readonly isDraining?: boolean } = {}) {
  const rows: EndedRequest[] = [];
  const cluster = fakeCluster({
    records: [recordOf(LLAMA), recordOf("registry.ollama.ai/library/bert:latest", ["embedding"])],
    recorder: { record: (row) => rows.push(row) },
    options: { bodyBytesMax: 2_000 },
  });
  const app = createApp(cluster, () => parts.isDraining ?? false);
  const call = async (path: string, body: unknown): Promise<number> => {
    const response = await app.request(path, {
      ...{ method: "POST", headers: { "X-Request-Id": "mine" } },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
    await response.text();
    return response.status;
  };
  return { cluster, rows, call };
}

type Refused = readonly [path: string, body: unknown, status: number, code: string, model: string];

t.test(
  "what is refused before it comes to a node leaves a row, without what it said",
  async (t) => {
    const messages = [{ role: "user", content: PROMPT }];
    const options = { seed: PROMPT };
    const table: readonly Refused[] = [
      ["/api/generate", { model: "no:1b", prompt: PROMPT }, 404, "MODEL_UNKNOWN", "no:1b"],
      ["/api/chat", { model: "no", messages }, 404, "MODEL_UNKNOWN", "no"],
      ["/api/embed", { model: "no", input: PROMPT }, 404, "MODEL_UNKNOWN", "no"],
      ["/api/embeddings", { model: "no", prompt: PROMPT }, 404, "MODEL_UNKNOWN", "no"],
      ["/api/generate", { model: "../a", prompt: PROMPT }, 400, "INVALID_REQUEST", "../a"],
      ["/api/generate", { MODEL: LLAMA, prompt: [PROMPT] }, 400, "INVALID_REQUEST", LLAMA],
      ["/api/chat", { messages: PROMPT, model: "llama" }, 400, "INVALID_REQUEST", "llama"],
      ["/api/chat", { model: "bert", messages }, 400, "INVALID_REQUEST", "bert"],
      ["/api/embed", { model: "llama", input: 7 }, 400, "INVALID_REQUEST", "llama"],
      [
        "/api/generate",
        { model: "llama", prompt: PROMPT, options },
        500,
        "INVALID_OPTION",
        "llama",
      ],
      ["/api/generate", { model: 7, prompt: PROMPT }, 400, "INVALID_REQUEST", ""],
      ["/api/generate", { prompt: PROMPT }, 404, "MODEL_UNKNOWN", ""],
      ["/v1/chat/completions", { model: "no", messages }, 404, "MODEL_UNKNOWN", "no"],
      ["/v1/chat/completions", { model: "llama", messages: 7 }, 400, "INVALID_REQUEST", "llama"],
      ["/v1/completions", { model: "no", prompt: PROMPT }, 404, "MODEL_UNKNOWN", "no"],
      ["/v1/embeddings", { model: "no", input: PROMPT }, 404, "MODEL_UNKNOWN", "no"],
      ["/v1/responses", { model: "no", input: PROMPT }, 404, "MODEL_UNKNOWN", "no"],
      ["/v1/messages", { model: "no", max_tokens: 1, messages }, 404, "MODEL_UNKNOWN", "no"],
      ["/v1/messages", "", 400, "INVALID_REQUEST", ""],
      ["/api/chat", "", 400, "INVALID_REQUEST", ""],
      ["/api/chat", `{"model":"llama","prompt":"${PROMPT}`, 400, "INVALID_REQUEST", ""],
      ["/api/chat", `[${PROMPT}]`, 400, "INVALID_REQUEST", ""],
      ["/api/chat", { model: "llama", prompt: "x".repeat(3_000) }, 413, "BODY_TOO_LARGE", ""],
    ];
    for (const [path, body, status, code, modelName] of table) {
      const { rows, call } = open();
      const what = `${path} ${JSON.stringify(body).slice(0, 80)}`;
      t.equal(await call(path, body), status, what);
      t.equal(rows.length, 1, what);
      const kind = path.includes("/embed") ? "embed" : "generate";
      t.match(
        rows[0],
        {
          ...{ requestId: "mine", kind, model: undefined, modelName, prompt: [], nodes: [] },
          failure: { code, message: "" },
        },
        what,
      );
      t.notMatch(JSON.stringify(rows), /sky/, what);
    }
  },
);

t.test("what the router runs it records itself", async (t) => {
  const chat = { model: "llama", messages: [{ role: "user", content: PROMPT }] };
  for (const failure of [undefined, new InferenceError("BUSY", "full")]) {
    const { cluster, rows, call } = open();
    cluster.inference.failure = failure;
    await call("/api/chat", chat);
    await call("/api/chat", { ...chat, stream: false });
    await call("/api/generate", { model: "llama", prompt: PROMPT });
    await call("/api/embed", { model: "bert", input: PROMPT });
    await call("/api/embeddings", { model: "bert", prompt: PROMPT });
    await call("/v1/chat/completions", { ...chat, n: 2 });
    await call("/v1/embeddings", { model: "bert", input: PROMPT });
    t.equal(cluster.inference.generated.length + cluster.inference.embedded.length, 8);
    t.same(rows, [], failure?.code ?? "answered");
  }
});

t.test("a load, an unload and a rendered prompt leave a row each, and no prompt", async (t) => {
  const { cluster, rows, call } = open();
  t.equal(await call("/api/generate", { model: "llama" }), 200);
  t.equal(await call("/api/chat", { model: "llama", keep_alive: 0 }), 200);
  t.equal(await call("/api/embed", { model: "bert" }), 200);
  cluster.inference.failure = new InferenceError("LOAD_FAILED", "no memory");
  t.equal(await call("/api/generate", { model: "llama" }), 500);
  cluster.inference.failure = undefined;
  cluster.inference.script = async function* () {
    yield { type: "rendered", prompt: PROMPT };
  };
  const rendered = { model: "llama", prompt: PROMPT, _debug_render_only: true };
  t.equal(await call("/api/generate", rendered), 200);
  t.same(
    rows.map(({ modelName, failure }) => [modelName, failure?.code]),
    [
      ["llama", undefined],
      ["llama", undefined],
      ["bert", undefined],
      ["llama", "LOAD_FAILED"],
      ["llama", undefined],
    ],
  );
  t.notMatch(JSON.stringify(rows), /sky/);
});

t.test("whoever is sent away at the door leaves none", async (t) => {
  const drained = open({ isDraining: true });
  t.equal(await drained.call("/api/chat", { model: "no" }), 503);
  t.same(drained.rows, []);
  const rows: EndedRequest[] = [];
  const cluster = fakeCluster({
    recorder: { record: (row) => rows.push(row) },
    authority: {
      identify: (key) =>
        key === "eve"
          ? { kind: "known", principal: { userId: "eve", keyId: "1", role: "readonly" } }
          : { kind: "refused", reason: "unknown" },
      may: () => false,
    },
  });
  const app = createApp(cluster, () => false);
  const statuses = new Set<number>();
  for (const key of ["eve", "", ...Array<string>(21).fill("wrong")]) {
    const headers = { Authorization: `Bearer ${key}` };
    const body = JSON.stringify({ model: "no" });
    statuses.add((await app.request("/api/chat", { method: "POST", headers, body })).status);
  }
  t.same([...statuses], [403, 401, 429]);
  t.same(rows, []);
});

t.test("the user stands in the row of what was refused", async (t) => {
  const rows: EndedRequest[] = [];
  const principal = { userId: "ann", keyId: "1", role: "user" } as const;
  const cluster = fakeCluster({
    recorder: { record: (row) => rows.push(row) },
    authority: { identify: () => ({ kind: "known", principal }), may: () => true },
  });
  const app = createApp(cluster, () => false);
  const headers = { "X-Api-Key": "key" };
  await app.request("/api/chat", { method: "POST", headers, body: '{"model":"no"}' });
  t.match(rows, [{ userId: "ann", modelName: "no", failure: { code: "MODEL_UNKNOWN" } }]);
});
