import t from "tap";
import { TestCluster, until } from "../fixtures/cluster.ts";
import { createSeeing } from "../fixtures/create-multimodal.ts";
import { call, ndjson } from "../fixtures/http.ts";
import { plainPng } from "../fixtures/vision-projector.ts";

const PICTURES = [plainPng(255, 0, 0), plainPng(0, 0, 255)];

const question = (image: string) => ({
  model: "seeing",
  messages: [{ role: "user", content: "tell me a story", images: [image] }],
  options: { temperature: 0, num_predict: 12 },
});

function textOf(lines: readonly Record<string, unknown>[]): string {
  return lines.map((line) => (line["message"] as { content: string }).content).join("");
}

/** One that is still coming is told too, and serves nobody. */
function twoReady({ replicas }: Record<string, unknown>): boolean {
  return (replicas as { readonly state: string }[]).filter((r) => r.state === "ready").length === 2;
}

t.test("a holder killed while it looks at images breaks no answer", async (t) => {
  await using cluster = await TestCluster.open();
  const env = { OLLAMA_REPLICAS: "2" };
  const daemons = ["a", "b", "c"].map((name) => ({ name, daemon: cluster.start(name, env) }));
  const nodes = await Promise.all(
    daemons.map(async ({ name, daemon }) => ({ name, daemon, ...(await daemon.ready()) })),
  );
  const [a] = nodes;
  if (!a) throw new Error("three were started");
  await createSeeing(a.apiUrl, "seeing");
  // A replica is the model with its projector.
  const { replicas } = await until(`${a.apiUrl}/api/cluster/replicas`, twoReady);
  const holders = (replicas as { readonly node: string }[]).map(({ node }) => node);
  const remote = nodes.find(
    ({ nodeId, name }) => !holders.some((of) => [nodeId, name].includes(of)),
  );
  if (!remote) throw new Error(`no node is without the model: ${holders.join()}`);
  await until(`${remote.apiUrl}/api/cluster/replicas`, twoReady);

  const ask = async (image: string): Promise<readonly [text: string, node: string]> => {
    const { status, text, headers } = await call(`${remote.apiUrl}/api/chat`, question(image));
    t.equal(status, 200, text);
    const lines = ndjson(text);
    t.match(lines.at(-1), { done: true, eval_count: 12 });
    return [textOf(lines), String(headers["x-ollamamax-node"])];
  };
  const alone = new Map<string, string>();
  let node = "";
  for (const image of PICTURES) {
    const [text, by] = await ask(image);
    alone.set(image, text);
    node = by;
  }
  t.equal(new Set(alone.values()).size, PICTURES.length, "answers depend on images");
  const asked = [...PICTURES, ...PICTURES, ...PICTURES].map(async (image) => {
    t.equal((await ask(image))[0], alone.get(image));
  });
  await nodes.find(({ nodeId }) => nodeId === node)?.daemon.kill("SIGKILL");
  await Promise.all(asked);
});
