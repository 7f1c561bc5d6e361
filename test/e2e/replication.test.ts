import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { TestCluster, until } from "../fixtures/cluster.ts";
import { TestDaemon } from "../fixtures/daemon.ts";
import { call } from "../fixtures/http.ts";
import { until as eventually } from "../fixtures/until.ts";

const TWO = { OLLAMA_REPLICAS: "2" };

interface Replica {
  readonly node_name: string;
  readonly state: string;
}

const readyOn =
  (...names: string[]) =>
  ({ replicas }: Record<string, unknown>): boolean =>
    JSON.stringify(
      (replicas as Replica[])
        .filter(({ state }) => state === "ready")
        .map(({ node_name: name }) => name)
        .sort(),
    ) === JSON.stringify(names);

t.test("models spread by themselves, and what is deleted stays deleted", async (t) => {
  const cluster = await TestCluster.open();
  t.teardown(() => cluster[Symbol.asyncDispose]());
  await cluster.importDemo("a");
  const first = cluster.start("a", TWO);
  const a = await first.ready();
  const b = await cluster.start("b", TWO).ready();
  await until(`${a.apiUrl}/api/cluster/replicas`, readyOn("a", "b"));
  const file = readFileSync("deploy/models/tiny-chat.gguf");
  const blobs = path.join(cluster.dataDir("b"), "models/blobs");
  t.ok(readdirSync(blobs).some((name) => readFileSync(path.join(blobs, name)).equals(file)));
  const chat = await call(`${b.apiUrl}/api/chat`, {
    ...{ model: "tiny-chat", messages: [{ role: "user", content: "hi" }], stream: false },
  });
  t.equal(chat.headers["x-ollamamax-node"], b.nodeId, "served by its own copy");

  const c = await cluster.start("c", TWO).ready();
  await using command = new TestDaemon({ OLLAMA_HOST: c.apiUrl }, [
    ...["replicas", "tiny-chat", "--want", "all"],
  ]);
  t.match(await command.ended, { code: 0 });
  await until(`${c.apiUrl}/api/cluster/replicas`, readyOn("a", "b", "c"));

  await first.kill("SIGKILL");
  await until(`${b.apiUrl}/api/cluster/nodes`, ({ nodes }) =>
    (nodes as { name: string; health: string }[]).some(
      ({ name, health }) => name === "a" && health === "failed",
    ),
  );
  const deleted = await fetch(`${b.apiUrl}/api/delete`, {
    ...{ method: "DELETE", body: '{"model":"tiny-chat"}' },
  });
  t.equal(deleted.status, 200, await deleted.text());
  t.equal(deleted.headers.get("x-ollamamax-missed"), "a");
  const again = await cluster.start("a", TWO).ready();
  await until(`${again.apiUrl}/api/cluster/replicas`, readyOn());
  await until(`${b.apiUrl}/api/cluster/replicas`, readyOn());
  // The name goes first, and is announced, then what it needed.
  const blobsOfA = path.join(cluster.dataDir("a"), "models/blobs");
  await eventually(() => readdirSync(blobsOfA).length === 0);
});
