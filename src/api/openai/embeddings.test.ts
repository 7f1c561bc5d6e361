import t from "tap";
import { type FakeCluster, fakeCluster, recordOf } from "../../../test/fixtures/fake-cluster.ts";
import { InferenceError } from "../../core/errors.ts";
import { createApp } from "../app.ts";

const VECTORS = [
  [3, 4],
  [0, 5],
];
const RECORDS = [recordOf("registry.ollama.ai/library/bert:latest", ["embedding"])];

function post(cluster: FakeCluster, body: unknown): Promise<Response> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return Promise.resolve(
    createApp(cluster, () => false).request("/v1/embeddings", { method: "POST", body: text }),
  );
}

t.test("refusals, in OpenAI's envelope", async (t) => {
  const format =
    "Invalid value for 'encoding_format' = hex. Supported values: ['float', 'base64'].";
  type Row = readonly [body: unknown, status: number, message: string, param?: string];
  const rows: readonly Row[] = [
    ["", 400, "EOF"],
    ["null", 400, "invalid input", "input"],
    [{ model: "bert", input: [] }, 400, "invalid input", "input"],
    [{ model: "bert", input: null }, 400, "invalid input", "input"],
    [{ model: "bert", input: 5 }, 400, "invalid input type", "input"],
    [{ model: "bert", input: [1, 2] }, 400, "invalid input type", "input"],
    [{ model: "bert", input: [[1]] }, 400, "invalid input type", "input"],
    [{ model: "bert", input: ["a", null] }, 400, "invalid input type", "input"],
    [{ model: "bert", input: "a", encoding_format: "hex" }, 400, format, "encoding_format"],
    [{ input: "a" }, 404, "model '' not found", "model"],
    [{ model: "x", input: "a" }, 404, 'model "x" not found, try pulling it first'],
    [{ model: "a b", input: "a" }, 400, "invalid model name"],
    [
      { dimensions: "3" },
      400,
      "json: cannot unmarshal string into Go struct field EmbedRequest.dimensions of type int",
    ],
  ];
  for (const [body, status, message, param = null] of rows) {
    const cluster = fakeCluster({ records: RECORDS });
    const response = await post(cluster, body);
    const what = JSON.stringify(body);
    t.equal(response.status, status, what);
    const type = status === 404 ? "not_found_error" : "invalid_request_error";
    t.strictSame(await response.json(), { error: { message, type, param, code: null } }, what);
    t.strictSame(cluster.inference.embedded, [], what);
  }
});

t.test("vectors of length 1, as numbers or as 32-bit floats", async (t) => {
  const floats = (text: string): number[] => {
    const bytes = Buffer.from(text, "base64");
    return Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readFloatLE(index * 4));
  };
  const unit = [0.6, 0.8];
  const up = [0, 1];
  const rows: readonly (readonly [given: object, inputs: string[], vectors: number[][]])[] = [
    [{ input: "a" }, ["a"], [unit]],
    [{ input: "" }, [""], [unit]],
    [{ input: ["a", "b"] }, ["a", "b"], [unit, up]],
    [{ input: ["a", "b"], dimensions: 1 }, ["a", "b"], [[1], [0]]],
    [{ input: "a", dimensions: -1 }, ["a"], [unit]],
    [{ input: "a", encoding_format: "float" }, ["a"], [unit]],
    [{ input: "a", encoding_format: "Base64" }, ["a"], [unit.map(Math.fround)]],
  ];
  for (const [given, inputs, vectors] of rows) {
    const cluster = fakeCluster({ records: RECORDS });
    cluster.inference.vectors = VECTORS.slice(0, inputs.length);
    const response = await post(cluster, { model: "Bert", ...given });
    t.equal(response.status, 200);
    t.equal(response.headers.get("content-type"), "application/json");
    t.equal(response.headers.get("x-ollamamax-node"), "self");
    const { data, ...rest } = (await response.json()) as {
      readonly data: readonly { readonly embedding: number[] | string }[];
    };
    t.strictSame(
      data,
      data.map(({ embedding }, index) => ({ object: "embedding", embedding, index })),
    );
    t.strictSame(
      data.map(({ embedding }) => (typeof embedding === "string" ? floats(embedding) : embedding)),
      vectors,
      JSON.stringify(given),
    );
    const usage = { prompt_tokens: 7, total_tokens: 7 };
    t.strictSame(rest, { object: "list", model: "Bert", usage });
    t.match(cluster.inference.embedded, [{ inputs, runner: {} }]);
  }
});

t.test("what the engine says", async (t) => {
  const cluster = fakeCluster({ records: RECORDS });
  cluster.inference.failure = new InferenceError("UNSUPPORTED", "no embeddings here");
  const refused = await post(cluster, { model: "bert", input: "a" });
  t.equal(refused.status, 501);
  t.match(await refused.json(), { error: { message: "no embeddings here", type: "api_error" } });
  const broken = fakeCluster({ records: RECORDS });
  broken.inference.vectors = [[Number.NaN]];
  t.equal((await post(broken, { model: "bert", input: "a" })).status, 400);
});
