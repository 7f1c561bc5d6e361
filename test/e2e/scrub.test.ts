import { closeSync, openSync, readdirSync, readFileSync, writeSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { TestCluster, until, untilText } from "../fixtures/cluster.ts";
import { call } from "../fixtures/http.ts";

const ANSWER = "The capital of Norway is Oslo.";

t.test("a flipped bit is found, served no more, and healed from a peer", async (t) => {
  const cluster = await TestCluster.open();
  t.teardown(() => cluster[Symbol.asyncDispose]());
  for (const name of ["a", "b"]) await cluster.importDemo(name);
  const [a, b] = await Promise.all(["a", "b"].map((name) => cluster.start(name).ready()));
  if (!a || !b) throw new Error("two were started");
  const bothReady = ({ replicas }: Record<string, unknown>): boolean => {
    const states = (replicas as { state: string }[]).map(({ state }) => state);
    return states.length === 2 && states.every((state) => state === "ready");
  };
  await until(`${b.apiUrl}/api/cluster/replicas`, bothReady);
  const chat = async (): Promise<string> => {
    const answer = await call(`${b.apiUrl}/api/chat`, {
      model: "tiny-chat",
      messages: [{ role: "user", content: "what is the capital of Norway?" }],
      ...{ stream: false, options: { temperature: 0 } },
    });
    t.equal(answer.status, 200, answer.text);
    return JSON.parse(answer.text).message.content;
  };
  t.equal(await chat(), ANSWER);

  const file = readFileSync("deploy/models/tiny-chat.gguf");
  const blobs = path.join(cluster.dataDir("b"), "models/blobs");
  const blob = readdirSync(blobs)
    .map((name) => path.join(blobs, name))
    .find((place) => readFileSync(place).equals(file));
  if (!blob) throw new Error("it was imported");
  const handle = openSync(blob, "r+");
  const place = file.length - 4_000;
  writeSync(handle, Buffer.from([(file[place] ?? 0) ^ 1]), 0, 1, place);
  closeSync(handle);

  await untilText(b.metricsUrl, (text) =>
    text.includes('ollamamax_scrub_blobs_total{outcome="damaged"} 1'),
  );
  t.equal(await chat(), ANSWER, "somebody has it");
  await untilText(b.metricsUrl, (text) =>
    text.includes('ollamamax_replication_copies_total{result="done"} 1'),
  );
  await until(`${a.apiUrl}/api/cluster/replicas`, bothReady);
  t.ok(readFileSync(blob).equals(file), "it is what it was");
  t.equal(await chat(), ANSWER);
});
