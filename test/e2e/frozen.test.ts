import t from "tap";
import { TestCluster, until } from "../fixtures/cluster.ts";
import { call } from "../fixtures/http.ts";

const QUESTION = {
  model: "tiny-chat",
  messages: [{ role: "user", content: "what is the capital of Norway?" }],
  options: { temperature: 0 },
  stream: false,
};

const healthOf = (body: Record<string, unknown>, id: string): string | undefined =>
  (body["nodes"] as { readonly id: string; readonly health: string }[]).find(
    (node) => node.id === id,
  )?.health;

t.test("a frozen holder is worse than a dead one, and costs no request either", async (t) => {
  await using cluster = await TestCluster.open();
  await cluster.importDemo("a");
  await cluster.importDemo("b");
  const frozen = cluster.start("b");
  const [a, b, c] = await Promise.all([
    cluster.start("a").ready(),
    frozen.ready(),
    cluster.start("c").ready(),
  ]);
  const nodes = `${c.apiUrl}/api/cluster/nodes`;
  const replicas = `${c.apiUrl}/api/cluster/replicas`;
  for (const { nodeId } of [a, b]) await until(nodes, (body) => healthOf(body, nodeId) === "alive");
  await until(replicas, (body) => (body["replicas"] as unknown[]).length === 2);
  const wave = () =>
    Promise.all(Array.from({ length: 12 }, () => call(`${c.apiUrl}/api/chat`, QUESTION)));
  await wave();

  const during = wave();
  frozen.child.kill("SIGSTOP");
  const after = wave();
  const answers = [...(await during), ...(await after)];
  for (const answer of answers) {
    t.equal(answer.status, 200, answer.text);
    t.equal(JSON.parse(answer.text).message?.content, "The capital of Norway is Oslo.");
  }
  await until(nodes, (body) => healthOf(body, b.nodeId) === "failed");
  const alone = await call(`${c.apiUrl}/api/chat`, QUESTION);
  t.equal(alone.headers["x-ollamamax-node"], a.nodeId, "requests go to the other one");

  frozen.child.kill("SIGCONT");
  await until(nodes, (body) => healthOf(body, b.nodeId) === "alive");
  await until(replicas, (body) => (body["replicas"] as unknown[]).length === 2);
  t.pass("it is back when it goes on");
});
