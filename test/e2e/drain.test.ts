import t from "tap";
import { TestCluster, until } from "../fixtures/cluster.ts";
import { TestDaemon } from "../fixtures/daemon.ts";
import { call } from "../fixtures/http.ts";

const question = {
  ...{ model: "tiny-chat", messages: [{ role: "user", content: "hi" }], stream: false },
  options: { temperature: 0 },
};

const isDraining = ({ nodes }: Record<string, unknown>): boolean =>
  (nodes as { name: string; state: string; health: string }[]).some(
    ({ name, state, health }) => name === "a" && state === "draining" && health === "alive",
  );
const holding = (count: number) => (body: Record<string, unknown>) =>
  (body["replicas"] as unknown[]).length === count;

t.test("a node that drains sends requests elsewhere, and says when it can leave", async (t) => {
  const cluster = await TestCluster.open();
  t.teardown(() => cluster[Symbol.asyncDispose]());
  await cluster.importDemo("a");
  await cluster.importDemo("b");
  const first = cluster.start("a");
  const second = cluster.start("b");
  const [a, b] = await Promise.all([first.ready(), second.ready()]);
  let asked = b.apiUrl;
  for (const { apiUrl } of [a, b]) await until(`${apiUrl}/api/cluster/replicas`, holding(2));
  const run = async (...args: string[]) => {
    await using command = new TestDaemon({ OLLAMA_HOST: asked }, args);
    const { code, stderr } = await command.ended;
    return { code, stderr, stdout: command.output };
  };
  const servedBy = async (apiUrl: string) => {
    const answer = await call(`${apiUrl}/api/chat`, question);
    t.equal(answer.status, 200, answer.text);
    return answer.headers["x-ollamamax-node"];
  };
  const at = `${b.apiUrl}/api/cluster/nodes/${a.nodeId}/drain`;

  t.equal(await servedBy(a.apiUrl), a.nodeId);
  t.match(await run("drain", "a"), { code: 0, stdout: "a can leave\n" });
  t.equal(await servedBy(a.apiUrl), b.nodeId, "at once, also what comes to the node itself");
  t.match(JSON.parse((await call(at)).text), {
    ...{ name: "a", draining: true, running: 0, can_leave: true, last_replicas: 0 },
    models: [{ model: "tiny-chat:latest", elsewhere: 1 }],
  });
  await until(`${b.apiUrl}/api/cluster/nodes`, isDraining);
  t.match(await run("nodes"), { code: 0, stdout: /^a +alive +draining /m });
  t.match(await run("replicas", "tiny"), { code: 0, stdout: /^tiny-chat:latest +a +ready /m });

  await first.kill("SIGTERM");
  const again = await cluster.start("a").ready();
  await until(`${b.apiUrl}/api/cluster/nodes`, isDraining);
  await until(`${again.apiUrl}/api/cluster/replicas`, holding(2));
  t.equal(await servedBy(again.apiUrl), b.nodeId, "a restart does not forget it");

  const gone = await fetch(`${b.apiUrl}/api/delete?local=true`, {
    ...{ method: "DELETE", body: '{"model":"tiny-chat"}' },
  });
  t.equal(gone.status, 200);
  t.match(await run("drain", "a"), { code: 0, stdout: "a can leave\n" }, "its last replica moved");
  t.equal(await servedBy(again.apiUrl), b.nodeId);
  t.match(await run("undrain", "a"), { code: 0, stdout: "a takes requests again\n" });
  t.match(JSON.parse((await call(at)).text), { draining: false, can_leave: false });
  t.match(await run("drain", "nobody"), { code: 1, stderr: /there is no node nobody/ });
  t.match(await run("drain", "a", "--deadline", "soon"), { code: 2 });

  await second.kill("SIGTERM");
  asked = again.apiUrl;
  await until(`${again.apiUrl}/api/cluster/replicas`, holding(1));
  t.match(await run("drain", "a", "--deadline", "1s"), {
    code: 1,
    stderr: /^ollamamax: the deadline has passed: 1 models have no other replica yet/m,
  });
  t.equal(await servedBy(again.apiUrl), a.nodeId, "nobody else has it now");
});
