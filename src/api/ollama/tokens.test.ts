import t from "tap";
import { fakeCluster, ROUTE, recordOf } from "../../../test/fixtures/fake-cluster.ts";
import { InferenceError } from "../../core/errors.ts";
import { createApp } from "../app.ts";

const NAME = "registry.ollama.ai/library/llama:latest";

function open() {
  const cluster = fakeCluster({ records: [recordOf(NAME)] });
  const post = async (path: string, body: unknown): Promise<Response> =>
    await createApp(cluster, () => false).request(path, {
      method: "POST",
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
  return { cluster, post };
}

t.test("what is asked of the model, and what comes back", async (t) => {
  const { cluster, post } = open();
  const rows = [
    [
      "/api/tokenize",
      { content: "ab" },
      { kind: "text", text: "ab", addSpecial: false, parseSpecial: true },
    ],
    ["/api/tokenize", {}, { kind: "text", text: "", addSpecial: false, parseSpecial: true }],
    [
      "/api/tokenize",
      { content: "ab", add_special: true, parse_special: false },
      { kind: "text", text: "ab", addSpecial: true, parseSpecial: false },
    ],
    ["/api/detokenize", { tokens: [1, 2] }, { kind: "tokens", tokens: [1, 2] }],
    ["/api/detokenize", {}, { kind: "tokens", tokens: [] }],
  ] as const;
  for (const [path, fields, of] of rows) {
    const body = { model: "llama", keep_alive: "5m", options: { num_ctx: 64 }, ...fields };
    const response = await post(path, body);
    t.equal(response.status, 200);
    t.equal(response.headers.get("x-ollamamax-node"), ROUTE.node);
    t.match(cluster.inference.converted.at(-1), {
      of,
      keepAliveMs: 300_000,
      runner: { numCtx: 64 },
    });
    const answer = path === "/api/tokenize" ? { tokens: [1, 2] } : { content: "ab" };
    t.same(await response.json(), { model: "llama", ...answer, load_duration: 2_000_000 });
  }
});

t.test("refusals", async (t) => {
  const { cluster, post } = open();
  const rows: readonly (readonly [path: string, body: unknown, status: number, error: string])[] = [
    ["/api/tokenize", "", 400, "missing request body"],
    ["/api/tokenize", { content: "a" }, 400, "model is required"],
    ["/api/tokenize", { model: "no" }, 404, "model 'no' not found"],
    ["/api/tokenize", { model: "../a" }, 400, "invalid model name"],
    [
      "/api/detokenize",
      { model: "llama", tokens: ["a"] },
      400,
      "json: cannot unmarshal string into Go struct field DetokenizeRequest.tokens of type int",
    ],
  ];
  for (const [path, body, status, error] of rows) {
    const response = await post(path, body);
    t.equal(response.status, status, `${path} ${JSON.stringify(body)}`);
    t.same(await response.json(), { error });
  }
  cluster.inference.failure = new InferenceError("INVALID_REQUEST", "-1 is not a token");
  const response = await post("/api/detokenize", { model: "llama", tokens: [-1] });
  t.equal(response.status, 400);
  t.same(await response.json(), { error: "-1 is not a token" });
});
