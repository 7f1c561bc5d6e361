import t from "tap";
import { type FakeCluster, fakeCluster, recordOf } from "../../../test/fixtures/fake-cluster.ts";
import { InferenceError } from "../../core/errors.ts";
import { createApp } from "../app.ts";

const RECORDS = [recordOf("registry.ollama.ai/library/bert:latest", ["embedding"])];
const JSON_UTF8 = "application/json; charset=utf-8";

function post(cluster: FakeCluster, path: string, body: unknown): Promise<Response> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return Promise.resolve(
    createApp(cluster, () => false).request(path, { method: "POST", body: text }),
  );
}

const NO_CLOUD = "ollama cloud is disabled: remote model is unavailable";
const TWO = 'use either :local or :cloud, not both: "x:cloud:local"';

t.test("refusals, in Ollama's words", async (t) => {
  const rows: readonly (readonly [path: string, body: unknown, status: number, error: string])[] = [
    ["/api/embed", "", 400, "missing request body"],
    ["/api/embed", {}, 404, "model '' not found"],
    ["/api/embed", { input: 1 }, 400, "invalid input type"],
    ["/api/embed", { model: "x", input: {} }, 400, "invalid input type"],
    ["/api/embed", { model: "x", input: [1, 2] }, 400, "invalid input type"],
    ["/api/embed", { model: "x", input: ["a", null] }, 400, "invalid input type"],
    ["/api/embed", { model: "x", input: "a" }, 404, 'model "x" not found, try pulling it first'],
    ["/api/embed", { model: "x" }, 404, 'model "x" not found, try pulling it first'],
    ["/api/embed", { model: "x:cloud" }, 403, NO_CLOUD],
    ["/api/embeddings", { model: "x:1b-cloud" }, 403, NO_CLOUD],
    ["/api/embed", { model: "x:1b:cloud" }, 403, NO_CLOUD],
    ["/api/embed", { model: "x:cloud:local" }, 400, TWO],
    [
      "/api/embed",
      { dimensions: "3" },
      400,
      "json: cannot unmarshal string into Go struct field EmbedRequest.dimensions of type int",
    ],
    ["/api/embeddings", "", 400, "missing request body"],
    ["/api/embeddings", {}, 400, "model is required"],
    ["/api/embeddings", { model: "x" }, 404, 'model "x" not found, try pulling it first'],
    [
      "/api/embeddings",
      { prompt: ["a"] },
      400,
      "json: cannot unmarshal array into Go struct field EmbeddingRequest.prompt of type string",
    ],
  ];
  for (const [path, body, status, error] of rows) {
    const cluster = fakeCluster({ records: RECORDS });
    const response = await post(cluster, path, body);
    const what = `${path} ${JSON.stringify(body)}`;
    t.equal(response.status, status, what);
    t.equal(response.headers.get("content-type"), JSON_UTF8, what);
    t.strictSame(await response.json(), { error }, what);
    t.strictSame([...cluster.inference.embedded, ...cluster.inference.loaded], [], what);
  }
});

t.test("nothing to embed only loads", async (t) => {
  for (const input of [undefined, null, "", []]) {
    const cluster = fakeCluster({ records: RECORDS });
    const response = await post(cluster, "/api/embed", { model: "bert", input, keep_alive: -1 });
    t.equal(await response.text(), '{"model":"bert","embeddings":[]}', JSON.stringify(input));
    t.match(cluster.inference.loaded, [{ keepAliveMs: Number.POSITIVE_INFINITY }]);
    const keys = Object.keys(cluster.inference.loaded[0] ?? {});
    t.strictSame(keys, ["requestId", "model", "runner", "keepAliveMs"], "peers refuse more");
  }
  const cluster = fakeCluster({ records: RECORDS });
  const response = await post(cluster, "/api/embeddings", { model: "bert" });
  t.equal(await response.text(), '{"embedding":[]}');
  t.equal(cluster.inference.loaded.length, 1);
});

t.test("vectors of length 1, cut before they are scaled", async (t) => {
  const rows: readonly (readonly [dimensions: number | undefined, vectors: number[][]])[] = [
    [
      undefined,
      [
        [0.6, 0.8, 0],
        [0, 0, 0],
      ],
    ],
    [
      0,
      [
        [0.6, 0.8, 0],
        [0, 0, 0],
      ],
    ],
    [1, [[1], [0]]],
    [
      2,
      [
        [0.6, 0.8],
        [0, 0],
      ],
    ],
    [
      3,
      [
        [0.6, 0.8, 0],
        [0, 0, 0],
      ],
    ],
    [
      9,
      [
        [0.6, 0.8, 0],
        [0, 0, 0],
      ],
    ],
  ];
  for (const [dimensions, embeddings] of rows) {
    const cluster = fakeCluster({ records: RECORDS });
    cluster.inference.vectors = [
      [3, 4, 0],
      [0, 0, 0],
    ];
    const body = { model: "Bert", input: ["a", "b"], dimensions, truncate: false };
    const response = await post(cluster, "/api/embed", body);
    t.strictSame(
      await response.json(),
      { model: "Bert", embeddings, load_duration: 2_000_000, prompt_eval_count: 7 },
      `${dimensions}`,
    );
    t.equal(response.headers.get("x-ollamamax-node"), "self");
    t.match(cluster.inference.embedded, [{ inputs: ["a", "b"], truncate: false, runner: {} }]);
  }
});

t.test("the older route gives the vector as it is", async (t) => {
  const cluster = fakeCluster({ records: RECORDS });
  const body = { model: "bert", prompt: "a", options: { num_ctx: 8 } };
  const response = await post(cluster, "/api/embeddings", body);
  t.equal(await response.text(), '{"embedding":[3,4]}');
  t.match(cluster.inference.embedded, [{ inputs: ["a"], runner: { numCtx: 8 } }]);
});

t.test("what the engine says", async (t) => {
  const tooLong = "the input length exceeds the context length";
  for (const path of ["/api/embed", "/api/embeddings"]) {
    const cluster = fakeCluster({ records: RECORDS });
    cluster.inference.failure = new InferenceError("INVALID_REQUEST", tooLong);
    const refused = await post(cluster, path, { model: "bert", input: "a", prompt: "a" });
    t.equal(refused.status, 400, path);
    t.strictSame(await refused.json(), { error: tooLong }, path);
    for (const value of [Number.NaN, Number.NEGATIVE_INFINITY]) {
      const broken = fakeCluster({ records: RECORDS });
      broken.inference.vectors = [[1, value]];
      const response = await post(broken, path, { model: "bert", input: "a", prompt: "a" });
      t.equal(response.status, 400, path);
      t.strictSame(await response.json(), { error: "embedding contains NaN or Inf values" }, path);
    }
  }
});
