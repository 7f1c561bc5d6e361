import { execFileSync } from "node:child_process";
import { closeSync, openSync, readdirSync, writeSync } from "node:fs";
import path from "node:path";
import postgres from "postgres";
import t from "tap";
import { PIECE_BYTES } from "../../src/core/pieces.ts";
import {
  metric,
  openLargeModel,
  RECEIVED,
  readyOn,
  SIZE_BYTES,
  SLOW,
  SLOWER,
  untilReceived,
} from "../fixtures/bad-days.ts";
import { until, untilText } from "../fixtures/cluster.ts";
import { TestDaemon } from "../fixtures/daemon.ts";
import { tempFolder } from "../fixtures/temp-folder.ts";
import { until as untilTrue } from "../fixtures/until.ts";

// They spend their time waiting for copies that are held back.
t.jobs = 2;

t.test(
  "the database stops: the copy goes on, and its end is recorded later",
  { buffered: true },
  async (t) => {
    const { cluster, isWholeOn } = await openLargeModel(t, "a");
    await cluster.start("a", SLOW).ready();
    const b = await cluster.start("b", SLOW).ready();
    await untilReceived(b, SIZE_BYTES / 4);
    await cluster.stopDatabase();
    await until(`${b.apiUrl}/api/cluster/replicas`, readyOn("a", "b"));
    t.ok(isWholeOn("b"));
    await cluster.startDatabase();
    const { host, port, password, user, database } = cluster.database.address;
    const sql = postgres({ host, port, password, user, database, max: 1 });
    t.teardown(() => sql.end());
    await untilTrue(async () => {
      const [job] = await sql`select state::text from jobs.job where name like 'node.%'`;
      const [replica] = await sql`
      select r.status from model_replicas r join nodes on nodes.id = r.node_id where nodes.name = 'b'`;
      return job?.["state"] === "completed" && replica?.["status"] === "ready";
    });
    t.pass("the job and the replica are recorded");
  },
);

t.test(
  "the model is deleted while it is copied: it does not come back",
  { buffered: true },
  async (t) => {
    const { cluster } = await openLargeModel(t, "a");
    const a = await cluster.start("a", SLOWER).ready();
    const b = await cluster.start("b", SLOWER).ready();
    await untilReceived(b, SIZE_BYTES / 4);
    const deleted = await fetch(`${a.apiUrl}/api/delete`, {
      ...{ method: "DELETE", body: '{"model":"tiny-chat"}' },
    });
    t.equal(deleted.status, 200, await deleted.text());
    await until(`${b.apiUrl}/api/cluster/transfers?local=true`, (body) => {
      return (body["transfers"] as unknown[]).length === 0;
    });
    await until(`${b.apiUrl}/api/cluster/replicas`, readyOn());
    for (const name of ["a", "b"]) {
      const models = path.join(cluster.dataDir(name), "models");
      t.same(readdirSync(path.join(models, "manifests")), [], name);
      // The name goes first.
      const others = (): readonly string[] =>
        readdirSync(path.join(models, "blobs")).filter((entry) => !entry.startsWith("ollamamax-"));
      await untilTrue(() => others().length <= 1);
    }
  },
);

t.test(
  "a source with wrong bytes on its disk is found out, and the others make up for it",
  { buffered: true },
  async (t) => {
    const { cluster, blobOf, isWholeOn } = await openLargeModel(t, "a", "b");
    const three = { ...SLOW, OLLAMA_REPLICAS: "3", OLLAMA_TRANSFER_RATE: "0" };
    const [, b] = await Promise.all(["a", "b"].map((name) => cluster.start(name, three).ready()));
    if (!b) throw new Error("two were started");
    // So that only who gets the bytes can find out what happened to them.
    await untilText(b.metricsUrl, (text) =>
      text.includes('ollamamax_scrub_blobs_total{outcome="sound"} 2'),
    );
    const blob = blobOf("b") ?? "";
    const clock = path.join(tempFolder(t), "clock");
    execFileSync("touch", ["-r", blob, clock]);
    const handle = openSync(blob, "r+");
    for (let at = PIECE_BYTES / 2; at < SIZE_BYTES; at += PIECE_BYTES) {
      writeSync(handle, Buffer.from("wrong bytes"), 0, undefined, at);
    }
    closeSync(handle);
    execFileSync("touch", ["-r", clock, blob]);
    const c = await cluster.start("c", three).ready();
    await until(`${c.apiUrl}/api/cluster/replicas`, readyOn("a", "b", "c"));
    t.ok(isWholeOn("c"));
    const text = await untilText(c.metricsUrl, (text) =>
      text.includes("ollamamax_replication_bad_peers_total{"),
    );
    t.match(text, /ollamamax_replication_bad_peers_total\{offence="wrong_(bytes|hashes)"\} [1-9]/);
    await until(`${c.apiUrl}/api/cluster/audit?operation=BAD_PEER`, (body) =>
      JSON.stringify(body).includes(b.nodeId),
    );
  },
);

t.test(
  "the leader is killed in the middle of its plan: no copy is made twice",
  { buffered: true },
  async (t) => {
    const { cluster, isWholeOn } = await openLargeModel(t, "a");
    const three = { ...SLOW, OLLAMA_REPLICAS: "3" };
    // Whoever is there first leads.
    const leader = cluster.start("b", three);
    await leader.ready();
    const a = await cluster.start("a", three).ready();
    const c = await cluster.start("c", three).ready();
    await untilReceived(c, PIECE_BYTES);
    await leader.kill("SIGKILL");
    await until(`${a.apiUrl}/api/cluster/replicas`, readyOn("a", "c"));
    await cluster.start("b", three).ready();
    await until(`${a.apiUrl}/api/cluster/replicas`, readyOn("a", "b", "c"));
    t.ok(isWholeOn("b") && isWholeOn("c"));
    const received = await metric(c, RECEIVED);
    t.ok(received <= SIZE_BYTES + 3 * PIECE_BYTES, `${received} bytes came to c`);
  },
);

t.test(
  "two nodes import the same model at once: one model on two nodes",
  { buffered: true },
  async (t) => {
    const { cluster } = await openLargeModel(t);
    const [a, b] = await Promise.all(["a", "b"].map((name) => cluster.start(name, SLOW).ready()));
    if (!a || !b) throw new Error("two were started");
    const imports = ["a", "b"].map((name) => {
      const env = { OLLAMA_DATA_DIR: cluster.dataDir(name) };
      return new TestDaemon(env, ["import", "deploy/models/tiny-chat.gguf", "tiny-chat"]).ended;
    });
    t.match(await Promise.all(imports), [{ code: 0 }, { code: 0 }]);
    const { replicas } = await until(`${a.apiUrl}/api/cluster/replicas`, readyOn("a", "b"));
    const digests = (replicas as { digest: string }[]).map(({ digest }) => digest);
    t.equal(new Set(digests).size, 1);
    await until(`${b.apiUrl}/api/cluster/replicas`, readyOn("a", "b"));
  },
);
