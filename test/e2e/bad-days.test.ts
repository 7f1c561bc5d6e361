import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import postgres from "postgres";
import t from "tap";
import { TestCluster, until } from "../fixtures/cluster.ts";
import { call } from "../fixtures/http.ts";

const QUESTION = {
  model: "tiny-chat",
  messages: [{ role: "user", content: "what is seven plus eight?" }],
  options: { temperature: 0 },
  stream: false,
};
/** Same length, other bytes: the header's counts no longer make sense. */
function corrupt(file: string): void {
  const fd = openSync(file, "r+");
  writeSync(fd, Buffer.alloc(Math.min(4_096, statSync(file).size - 8), 0xff), 0, undefined, 8);
  closeSync(fd);
}

const isGguf = (file: string): boolean => readFileSync(file).subarray(0, 4).toString() === "GGUF";
const answerOf = (text: string): unknown => JSON.parse(text).message?.content;

t.test(
  "a start that cannot succeed ends with one sentence and leaves nothing behind",
  async (t) => {
    await using cluster = await TestCluster.open();
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const address = server.address();
    const taken = typeof address === "object" && address ? String(address.port) : "";
    const file = path.join(cluster.folder, "file");
    writeFileSync(file, "");

    const rows: readonly [string, Record<string, string>, RegExp][] = [
      ["wrong password", { OLLAMA_DB_PASSWORD: "wrong" }, /OLLAMA_DB_PASSWORD/],
      ["wrong database", { OLLAMA_DB_NAME: "absent" }, /OLLAMA_DB_NAME/],
      ["nobody listens", { OLLAMA_DB_PORT: "1" }, /OLLAMA_DB_HOST/],
      ["API port taken", { OLLAMA_API_PORT: taken }, new RegExp(`port ${taken} .*OLLAMA_API_PORT`)],
      ["web port taken", { OLLAMA_WEB_PORT: taken }, new RegExp(`port ${taken} .*OLLAMA_WEB_PORT`)],
      ["p2p port taken", { OLLAMA_P2P_PORT: taken }, new RegExp(`${taken}.*OLLAMA_P2P_PORT`)],
      ["no folder", { OLLAMA_DATA_DIR: path.join(file, "data") }, /OLLAMA_DATA_DIR/],
      ["no models folder", { OLLAMA_MODELS: path.join(file, "models") }, /OLLAMA_MODELS/],
    ];
    for (const [what, env, stderr] of rows) {
      const end = await cluster.start("bad", env).ended;
      t.equal(end.code, 1, what);
      t.match(end.stderr, stderr, what);
      t.equal(end.stderr.trim().split("\n").length, 1, `${what}: one line: ${end.stderr}`);
      t.notOk(
        existsSync(path.join(cluster.dataDir("bad"), "node.pid")),
        `${what}: lock given back`,
      );
    }
    await new Promise((resolve) => server.close(resolve));
  },
);

t.test("a database of a newer version is refused and left as it is", async (t) => {
  await using cluster = await TestCluster.open();
  const first = cluster.start("first");
  await first.ready();
  await first.kill("SIGTERM");
  const sql = postgres({ ...cluster.database.address, onnotice: () => {} });
  await sql`insert into schema_migrations (name, sha256) values ('9999_future.sql', 'x')`;
  const end = await cluster.start("second").ended;
  t.equal(end.code, 1);
  t.match(end.stderr, /newer/);
  const rows = await sql`select name from nodes`;
  t.same(
    rows.map((row) => row["name"]),
    ["first"],
  );
  await sql.end();
});

t.test("the data plane stands alone: inference and a restart without the database", async (t) => {
  await using cluster = await TestCluster.open();
  await cluster.importDemo("a");
  const a = cluster.start("a");
  const b = cluster.start("b");
  const [readyA, readyB] = await Promise.all([a.ready(), b.ready()]);
  await until(`${readyB.apiUrl}/api/tags`, (body) => (body["models"] as unknown[]).length === 1);
  await cluster.stopDatabase();

  const served = await call(`${readyB.apiUrl}/api/chat`, QUESTION);
  t.equal(answerOf(served.text), "Seven plus eight is fifteen.", served.text);

  await b.kill("SIGTERM");
  const again = await cluster.start("b").ready();
  await until(`${again.apiUrl}/api/tags`, (body) => (body["models"] as unknown[]).length === 1);
  const after = await call(`${again.apiUrl}/api/chat`, QUESTION);
  t.equal(after.headers["x-ollamamax-node"], readyA.nodeId, "found its peers from disk");
  t.equal(answerOf(after.text), "Seven plus eight is fifteen.", after.text);
  const live = await call(`${again.apiUrl}/health/live`);
  t.equal(live.status, 200);
  const ready = await call(`${again.apiUrl}/health/ready`);
  t.equal(ready.status, 200, "a balancer goes on with it");
  t.match(JSON.parse(ready.text).checks, [
    { name: "api", ready: true },
    { name: "registry", ready: false },
  ]);

  await cluster.startDatabase();
  await until(`${again.apiUrl}/health/ready`, (body) =>
    (body["checks"] as { readonly ready: boolean }[]).every(({ ready }) => ready),
  );
  t.pass("and goes on with it when it is back");
});

t.test("bad models and bad requests", async (t) => {
  await using cluster = await TestCluster.open();
  await cluster.importDemo("a");
  const models = path.join(cluster.dataDir("a"), "models");
  const { apiUrl } = await cluster.start("a").ready();
  await until(`${apiUrl}/api/tags`, (body) => (body["models"] as unknown[]).length === 1);

  const unknown = await call(`${apiUrl}/api/chat`, { ...QUESTION, model: "absent" });
  t.same([unknown.status, unknown.text], [404, `{"error":"model 'absent' not found"}`]);

  const large = await call(`${apiUrl}/api/generate`, {
    model: "tiny-chat",
    prompt: "x".repeat(65 * 1024 * 1024),
  }).catch((error: Error) => error);
  t.ok(large instanceof Error || large.status === 413, "a body over the limit is refused");

  const blob = readdirSync(path.join(models, "blobs"))
    .map((name) => path.join(models, "blobs", name))
    .find(isGguf);
  if (!blob) throw new Error("the demo model is there");
  corrupt(blob);
  const broken = await call(`${apiUrl}/api/chat`, QUESTION);
  t.equal(broken.status, 500, broken.text);
  t.match(JSON.parse(broken.text).error, /\w+/);
  const alive = await call(`${apiUrl}/health/live`);
  t.equal(alive.status, 200, "the node lives on");
});
