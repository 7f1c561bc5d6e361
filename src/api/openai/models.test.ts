import t from "tap";
import { fakeCluster, recordOf } from "../../../test/fixtures/fake-cluster.ts";
import { recordingMetrics } from "../../../test/fixtures/recording-metrics.ts";
import { createApp } from "../app.ts";

const CLUSTER = fakeCluster({
  records: [
    recordOf("registry.ollama.ai/library/llama:latest", ["completion"], 5_900),
    recordOf("registry.ollama.ai/apple/OpenELM:3b", ["completion"], 9_000),
    recordOf("myhost:5000/ours/m:t", ["completion"], 1_000),
  ],
});
const app = createApp(CLUSTER, () => false);

t.test("the list, newest first", async (t) => {
  const entry = (id: string, created: number, owner: string) => ({
    ...{ id, object: "model", created, owned_by: owner },
  });
  const response = await app.request("/v1/models");
  t.equal(response.headers.get("content-type"), "application/json");
  t.strictSame(await response.json(), {
    object: "list",
    data: [
      entry("apple/OpenELM:3b", 9, "apple"),
      entry("llama:latest", 5, "library"),
      entry("myhost:5000/ours/m:t", 1, "ours"),
    ],
  });
  const none = createApp(fakeCluster({ records: [] }), () => false);
  t.strictSame(await (await none.request("/v1/models")).json(), { object: "list", data: [] });
});

t.test("one, by any form of its name", async (t) => {
  type Row = readonly [path: string, status: number, wanted: object];
  const rows: readonly Row[] = [
    ["llama", 200, { id: "llama", created: 5, owned_by: "library" }],
    ["llama:latest", 200, { id: "llama:latest" }],
    ["Llama%3Alatest", 200, { id: "Llama:latest" }],
    ["apple/OpenELM:3b", 200, { id: "apple/OpenELM:3b", owned_by: "apple" }],
    ["apple%2FOpenELM:3b", 200, { id: "apple/OpenELM:3b" }],
    ["myhost:5000/ours/m:t", 200, { id: "myhost:5000/ours/m:t" }],
    ["x", 404, { error: { message: "model 'x:latest' not found", type: "not_found_error" } }],
    ["u/x:1", 404, { error: { message: "model 'u/x:1' not found", code: null } }],
    ["a%20b", 400, { error: { message: "invalid model name", param: "model" } }],
    ["llama/", 400, { error: { message: "invalid model name" } }],
    ["a/b/c/d/e", 400, { error: { message: "invalid model name" } }],
    ["..%2f..%2fetc%2fpasswd", 400, { error: { message: "invalid model name" } }],
    ["%ff", 400, { error: { message: "invalid model name" } }],
    ["%", 400, { error: { message: "invalid model name" } }],
  ];
  for (const [path, status, wanted] of rows) {
    const response = await app.request(`/v1/models/${path}`);
    t.equal(response.status, status, path);
    t.match(await response.json(), wanted, path);
  }
});

t.test("around it", async (t) => {
  t.equal((await app.request("/v1/models/")).headers.get("location"), "/v1/models");
  const wrong = await app.request("/v1/models/llama", { method: "DELETE" });
  t.equal(wrong.status, 405);
  t.equal(wrong.headers.get("allow"), "GET");
  t.equal((await app.request("/v1/nothing")).status, 404);
});

t.test("whatever the id, metrics have one route for it", async (t) => {
  const metrics = recordingMetrics();
  const counted = createApp({ ...CLUSTER, metrics }, () => false);
  for (const id of ["llama", "a/b", "%ff"]) await counted.request(`/v1/models/${id}`);
  t.equal(metrics.value("ollamamax_http_requests_total", { route: "/v1/models/:id" }), 3);
});
