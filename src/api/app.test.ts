import t from "tap";
import { fakeCluster, nodeOf, recordOf } from "../../test/fixtures/fake-cluster.ts";
import { recordingLog } from "../../test/fixtures/recording-log.ts";
import { createApp } from "./app.ts";

const TEXT = "text/plain; charset=utf-8";
const PLAIN = "text/plain";
const JSON_UTF8 = "application/json; charset=utf-8";
const running = (): boolean => false;

t.test("routes that need nothing", async (t) => {
  const app = createApp(fakeCluster(), running);
  const rows: readonly (readonly [string, number, string, string | null])[] = [
    ["GET /", 200, TEXT, "Ollama is running"],
    ["HEAD /", 200, TEXT, ""],
    ["GET /api/version", 200, JSON_UTF8, '{"version":"0.33.0"}'],
    ["HEAD /api/version", 200, JSON_UTF8, ""],
    ["GET /api/status", 200, JSON_UTF8, '{"cloud":{"disabled":true,"source":"config"}}'],
    ["HEAD /api/status", 405, PLAIN, ""],
    ["HEAD /api/tags", 200, JSON_UTF8, ""],
    ["GET /health/live", 200, JSON_UTF8, '{"status":"ok"}'],
    ["HEAD /health/live", 200, JSON_UTF8, ""],
    ["HEAD /api/ps", 405, PLAIN, ""],
    ["GET /api/show", 405, PLAIN, "405 method not allowed"],
    ["DELETE /api/chat", 405, PLAIN, "405 method not allowed"],
    ["POST /api/version", 405, PLAIN, "405 method not allowed"],
    ["GET /nowhere", 404, PLAIN, "404 page not found"],
    ["HEAD /nowhere", 404, PLAIN, ""],
    ["GET /API/version", 404, PLAIN, "404 page not found"],
    ["GET //api/version", 404, PLAIN, "404 page not found"],
    ["GET /health/..%2fapi/version", 404, PLAIN, "404 page not found"],
    ["GET /api%2fversion", 404, PLAIN, "404 page not found"],
    ["GET /api/%", 404, PLAIN, "404 page not found"],
    ["DELETE /api/tags/", 404, PLAIN, "404 page not found"],
  ];
  for (const [line, status, type, body] of rows) {
    const [method = "", path = ""] = line.split(" ");
    const response = await app.request(path, { method });
    t.equal(response.status, status, line);
    t.equal(response.headers.get("content-type"), type, line);
    t.equal(await response.text(), body, line);
  }
});

t.test("a known path tells its methods", async (t) => {
  const app = createApp(fakeCluster(), running);
  const allowed = async (method: string, path: string) =>
    (await app.request(path, { method })).headers.get("allow");
  t.equal(await allowed("GET", "/api/chat"), "POST");
  t.equal(await allowed("POST", "/api/tags"), "GET, HEAD");
  t.equal(await allowed("GET", "/nowhere"), null);
});

t.test("a trailing slash is shown the way", async (t) => {
  const app = createApp(fakeCluster(), running);
  const rows: readonly (readonly [string, string, number, string])[] = [
    ["GET", "/api/tags/", 301, "/api/tags"],
    ["GET", "/api/tags/?local=true", 301, "/api/tags?local=true"],
    ["HEAD", "/api/tags/", 307, "/api/tags"],
    ["POST", "/api/chat/", 307, "/api/chat"],
  ];
  for (const [method, path, status, location] of rows) {
    const response = await app.request(path, { method });
    t.equal(response.status, status, `${method} ${path}`);
    t.equal(response.headers.get("location"), location, `${method} ${path}`);
  }
});

t.test("every answer has a request id: the client's, if it is one", async (t) => {
  const cluster = fakeCluster();
  const app = createApp(cluster, running);
  const idOf = async (path: string, given?: string) => {
    const headers = given === undefined ? {} : { "X-Request-Id": given };
    return (await app.request(path, { headers })).headers.get("x-request-id") ?? "";
  };
  t.equal(await idOf("/", "abc.DEF:1-2_3"), "abc.DEF:1-2_3");
  for (const given of [undefined, "", "a b", "x".repeat(129), "<script>"]) {
    t.match(await idOf("/", given), /^[0-9a-f-]{36}$/, given ?? "none");
  }
  t.match(await idOf("/nowhere"), /^[0-9a-f-]{36}$/);
  const chat = await app.request("/api/chat", {
    method: "POST",
    headers: { "X-Request-Id": "mine" },
    body: JSON.stringify({ model: "llama", messages: [{ role: "user", content: "hi" }] }),
  });
  await chat.text();
  t.equal(chat.headers.get("x-request-id"), "mine");
  t.equal(cluster.inference.generated[0]?.requestId, "mine");
});

t.test("each request leaves a line for whoever looks for it, without what it asked", async (t) => {
  const log = recordingLog();
  const app = createApp({ ...fakeCluster(), log }, running);
  const body = JSON.stringify({ model: "llama", prompt: "hunter2", stream: false });
  const headers = { "X-Request-Id": "mine" };
  await (await app.request("/api/generate?a=hunter2", { method: "POST", headers, body })).text();
  t.match(
    log.lines.filter(({ text }) => text === "request"),
    [
      {
        level: "debug",
        fields: { requestId: "mine", method: "POST", path: "/api/generate", status: 200 },
      },
    ],
  );
  t.notMatch(JSON.stringify(log.lines), /hunter2/);
});

t.test("readiness names what is not ready", async (t) => {
  let ready = true;
  const models = () => ({ name: "models", ready, ...(ready ? {} : { reason: "no folder" }) });
  const registry = { name: "registry", ready: false, optional: true } as const;
  const app = createApp(fakeCluster({ readiness: () => [models(), registry] }), running);
  const well = await app.request("/health/ready");
  t.equal(well.status, 200);
  t.strictSame(await well.json(), {
    status: "ready",
    checks: [{ name: "models", ready: true }, registry],
  });
  ready = false;
  const ill = await app.request("/health/ready");
  t.equal(ill.status, 503);
  t.strictSame(await ill.json(), {
    status: "not ready",
    checks: [{ name: "models", ready: false, reason: "no folder" }, registry],
  });
});

t.test("a draining node takes nothing new, and still tells what it knows", async (t) => {
  const app = createApp(fakeCluster(), () => true);
  for (const line of ["POST /api/chat", "GET /api/tags", "POST /health/../api/chat"]) {
    const [method = "", path = ""] = line.split(" ");
    const response = await app.request(path, { method });
    t.equal(response.status, 503, line);
    t.equal(response.headers.get("connection"), "close", line);
    t.equal(response.headers.get("retry-after"), "5", line);
    t.match(await response.json(), { error: /shutting down/ }, line);
  }
  for (const path of ["/", "/health/live", "/api/cluster/nodes", "/api/cluster/replicas"]) {
    t.equal((await app.request(path)).status, 200, path);
  }
});

t.test("the cluster as this node sees it", async (t) => {
  const loaded = {
    model: recordOf("llama").manifest,
    sizeBytes: 10,
    vramBytes: 4,
    contextLength: 2048,
    expiresInMs: 1_234.5,
  };
  const forEver = { ...loaded, expiresInMs: Number.POSITIVE_INFINITY };
  const app = createApp(
    fakeCluster({
      nodes: [
        nodeOf({ self: true, name: "one", loaded: [loaded] }),
        nodeOf({
          id: "other" as never,
          name: "two",
          health: "failed",
          loaded: [forEver],
          ageMs: 9.6,
        }),
      ],
    }),
    running,
  );
  const seen = async (path: string): Promise<Record<string, unknown>> => {
    const body: unknown = await (await app.request(path)).json();
    return body as Record<string, unknown>;
  };
  t.match((await seen("/api/cluster/nodes"))["nodes"], [
    {
      id: "self",
      name: "one",
      self: true,
      health: "alive",
      state: "active",
      incarnation: "3",
      replica_version: "7",
      load: { running: 0, queued: 0, slots: 4 },
      loaded: [{ digest: loaded.model, size: 10, size_vram: 4, expires_in_ms: 1_235 }],
      age_ms: 0,
    },
    { id: "other", self: false, health: "failed", loaded: [{ expires_in_ms: null }], age_ms: 10 },
  ]);
  t.match((await seen("/api/cluster/replicas"))["replicas"], [
    { model: "llama:latest", node: "self", node_name: "one", state: "ready", size: 1_000 },
    { model: "llama:latest", node: "other", node_name: "two", state: "ready", age_ms: 10 },
  ]);
});
