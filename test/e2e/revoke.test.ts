import t from "tap";
import { TestCluster, until } from "../fixtures/cluster.ts";
import { TestDaemon } from "../fixtures/daemon.ts";

const aliveNames = (body: Record<string, unknown>): string =>
  (body["nodes"] as { readonly name: string; readonly health: string }[])
    .filter(({ health }) => health === "alive")
    .map(({ name }) => name)
    .sort()
    .join();

t.test("a revoked node is out and stays out; the others keep each other", async (t) => {
  await using cluster = await TestCluster.open();
  const nodes = await Promise.all(["a", "b", "c"].map((name) => cluster.start(name).ready()));
  const [a, b, c] = nodes;
  if (!a || !b || !c) throw new Error("three were started");
  const sees = (url: string, names: string) =>
    until(`${url}/api/cluster/nodes`, (body) => aliveNames(body) === names);
  for (const { apiUrl } of nodes) await sees(apiUrl, "a,b,c");

  const env = cluster.databaseEnv();
  const rotated = await new TestDaemon(env, ["rotate-key"]).ended;
  t.equal(rotated.code, 0, rotated.stderr);
  const revoked = await new TestDaemon(env, ["revoke", c.nodeId]).ended;
  t.equal(revoked.code, 0, revoked.stderr);
  await sees(a.apiUrl, "a,b");
  await sees(b.apiUrl, "a,b");
  t.pass("c is out everywhere");

  const d = await cluster.start("d").ready();
  await sees(d.apiUrl, "a,b,d");
  await sees(a.apiUrl, "a,b,d");
  t.pass("a new node joins with the new key");
});
