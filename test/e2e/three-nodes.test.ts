import { createHash } from "node:crypto";
import t from "tap";
import { TestCluster, until, untilText } from "../fixtures/cluster.ts";
import type { TestDaemon } from "../fixtures/daemon.ts";
import { call, ndjson } from "../fixtures/http.ts";

const PROMPT = "why is the sky blue?";
const HASH = createHash("sha256").update(PROMPT).digest("hex");
const QUESTION = {
  model: "tiny-chat",
  messages: [{ role: "user", content: PROMPT }],
  options: { temperature: 0 },
};
const ANSWER = "The sky is blue because air scatters blue light from the sun more than red light.";

interface NodeRow {
  readonly id: string;
  readonly name: string;
  readonly health: string;
}

const alive = (body: Record<string, unknown>): string[] =>
  (body["nodes"] as NodeRow[])
    .filter((node) => node.health === "alive")
    .map((node) => node.name)
    .sort();

const sees = (url: string, names: readonly string[]) =>
  until(`${url}/api/cluster/nodes`, (body) => alive(body).join() === names.join());

const canServe = (url: string) =>
  until(`${url}/api/tags`, (body) => (body["models"] as unknown[]).length === 1);

t.test("three processes, one registry, inference from any node", async (t) => {
  await using cluster = await TestCluster.open();
  await cluster.importDemo("a");
  await cluster.importDemo("b");
  const daemons = new Map<string, TestDaemon>();
  for (const name of ["a", "b", "c"]) daemons.set(name, cluster.start(name));
  const [a, b, c] = await Promise.all([...daemons.values()].map((daemon) => daemon.ready()));
  if (!a || !b || !c) throw new Error("three were started");

  await t.test("they find each other without configuration", async (t) => {
    for (const node of [a, b, c]) await sees(node.apiUrl, ["a", "b", "c"]);
    for (const node of [a, b, c]) await canServe(node.apiUrl);
    t.pass("every node sees every node and the model");
  });

  await t.test("the node without a replica answers through one that has it", async (t) => {
    const whole = await call(`${c.apiUrl}/api/chat`, { ...QUESTION, stream: false });
    t.equal(whole.status, 200, whole.text);
    t.equal(JSON.parse(whole.text).message.content, ANSWER);
    t.ok([a.nodeId, b.nodeId].includes(String(whole.headers["x-ollamamax-node"])));
    t.equal(whole.headers["x-ollamamax-attempts"], "1");

    const streamed = await call(`${c.apiUrl}/api/chat`, QUESTION);
    const lines = ndjson(streamed.text);
    const content = lines.map((line) => (line["message"] as { content: string }).content).join("");
    t.equal(content, ANSWER);
    t.equal(lines.at(-1)?.["done"], true);
    t.equal(streamed.headers["content-type"], "application/x-ndjson");
  });

  await t.test("its metrics tell what happened", async (t) => {
    const wanted = [
      'ollamamax_mesh_nodes{health="alive"} 3',
      'ollamamax_mesh_replicas{state="ready"} 2',
      'ollamamax_inference_attempts_total{where="peer",outcome="ok"} 2',
      'ollamamax_http_requests_total{route="/api/chat",method="POST",status="200"} 2',
    ];
    const text = await untilText(c.metricsUrl, (text) => {
      const lines = text.split("\n");
      return wanted.every((line) => lines.includes(line));
    });
    t.match(text, /^ollamamax_inference_tokens_total\{kind="output"\} [1-9]/m);
    t.match(text, /^ollamamax_inference_first_text_seconds_count 2$/m);
    t.match(text, /^ollamamax_mesh_heartbeats_total\{direction="received"\} [1-9]/m);
    t.match(
      text,
      /^ollamamax_db_statements_seconds_count\{statement="node_write",outcome="ok"\} [1-9]/m,
    );
    t.match(text, /^ollamamax_engine_slots 4$/m);
  });

  await t.test("each request is in the history once, without its prompt", async (t) => {
    const { requests } = await until(
      `${a.apiUrl}/api/cluster/requests?model=tiny-chat`,
      (body) => (body["requests"] as unknown[]).length >= 2,
    );
    const row = {
      ...{ model: "tiny-chat:latest", status: "completed", strategy: "single", error: null },
      ...{ prompt_hash: HASH, prompt_length: PROMPT.length, response_length: ANSWER.length },
    };
    t.match(requests, [row, row]);
    t.equal((requests as unknown[]).length, 2, "of three nodes one records it");
    t.notMatch(JSON.stringify(requests), /sky/);
    const found = await until(
      `${b.apiUrl}/api/cluster/models?search=tiny&status=active`,
      (body) => (body["models"] as unknown[]).length > 0,
    );
    t.match(found, { models: [{ name: "tiny-chat:latest" }], next: null });
  });

  await t.test("a holder killed under load fails no request", async (t) => {
    const victim = daemons.get("b");
    const wave = () =>
      Promise.all(
        Array.from({ length: 8 }, () =>
          call(`${c.apiUrl}/api/chat`, { ...QUESTION, stream: false }),
        ),
      );
    await wave();
    const during = wave();
    await victim?.kill("SIGKILL");
    const after = wave();
    for (const answer of [...(await during), ...(await after)]) {
      t.equal(answer.status, 200, answer.text);
      t.equal(JSON.parse(answer.text).message.content, ANSWER);
    }
    await until(`${c.apiUrl}/api/cluster/nodes`, (body) => !alive(body).includes("b"));
    t.pass("and is seen as gone");
  });

  await t.test("it comes back as itself", async (t) => {
    const again = await cluster.start("b").ready();
    t.equal(again.nodeId, b.nodeId);
    for (const node of [a, c, again]) await sees(node.apiUrl, ["a", "b", "c"]);
    const answer = await call(`${again.apiUrl}/api/chat`, { ...QUESTION, stream: false });
    t.equal(answer.headers["x-ollamamax-node"], again.nodeId, "answers from its own replica");
  });

  await t.test("a node with another key is refused", async (t) => {
    const stranger = cluster.start("stranger", {
      OLLAMA_CLUSTER_KEY: Buffer.alloc(32, 7).toString("base64url"),
    });
    const end = await stranger.ended;
    t.equal(end.code, 1);
    t.match(end.stderr, /OLLAMA_CLUSTER_KEY is not the key of the cluster/);
  });

  await t.test("SIGTERM ends cleanly, and the others know at once", async (t) => {
    const end = await daemons.get("c")?.kill("SIGTERM");
    t.same(
      { code: end?.code, signal: end?.signal },
      { code: 0, signal: null },
      String(end?.stderr),
    );
    await until(`${a.apiUrl}/api/cluster/nodes`, ({ nodes }) =>
      (nodes as NodeRow[]).some(({ name, health }) => name === "c" && health === "left"),
    );
    // Two, three waves of eight, and one: also those that a holder died of, and the last ones before c's end.
    await until(
      `${a.apiUrl}/api/cluster/requests?limit=200`,
      (body) => (body["requests"] as unknown[]).length === 2 + 3 * 8 + 1,
    );
    t.pass("all that ended are recorded");
  });
});
