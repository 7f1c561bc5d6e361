import { readdirSync, statfsSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { PIECE_BYTES } from "../../src/core/pieces.ts";
import { neededBytes } from "../../src/replication/replication-plan.ts";
import {
  openLargeModel,
  readyOn,
  SIZE_BYTES,
  SLOW,
  SLOWER,
  untilReceived,
} from "../fixtures/bad-days.ts";
import { until, untilText } from "../fixtures/cluster.ts";
import { TestDaemon } from "../fixtures/daemon.ts";
import { call } from "../fixtures/http.ts";
import { NO_MOUNT, resizeDisk, smallDisk } from "../fixtures/small-disk.ts";

const DISK_BYTES = 2 * neededBytes(SIZE_BYTES);
const ANSWER = "The capital of Norway is Oslo.";

t.test("a disk that fills up in the middle of a copy: another node gets it", async (t) => {
  const disk = smallDisk(t, DISK_BYTES);
  if (disk === undefined) return t.plan(0, NO_MOUNT);
  const { cluster, isWholeOn } = await openLargeModel(t, "a");
  const models = path.join(disk, "models");
  const env = { ...SLOWER, OLLAMA_MODELS: models };
  const importing = new TestDaemon({ OLLAMA_DATA_DIR: cluster.dataDir("b"), ...env }, [
    ...["import", "deploy/models/tiny-chat.gguf", "answers"],
  ]);
  t.match(await importing.ended, { code: 0 });
  const usedBytes = (): number => {
    const { blocks, bfree, bsize } = statfsSync(disk);
    return (blocks - bfree) * bsize;
  };
  const partials = (): string[] =>
    readdirSync(path.join(models, "blobs")).filter((name) => name.startsWith("ollamamax-"));
  const a = await cluster.start("a", SLOW).ready();
  const receiver = cluster.start("b", env);
  const b = await receiver.ready();
  const chat = async (): Promise<void> => {
    const answer = await call(`${b.apiUrl}/api/chat`, {
      model: "answers",
      messages: [{ role: "user", content: "what is the capital of Norway?" }],
      ...{ stream: false, options: { temperature: 0 } },
    });
    t.match(answer, { status: 200, headers: { "x-ollamamax-node": b.nodeId } });
    t.equal(JSON.parse(answer.text).message.content, ANSWER);
  };
  await untilReceived(b, PIECE_BYTES);
  // What is left of the disk is less than what is left of the blob.
  resizeDisk(disk, usedBytes() + SIZE_BYTES / 2);
  const { changes } = await until(
    `${a.apiUrl}/api/cluster/audit?operation=REFUSED`,
    (body) => (body["changes"] as unknown[]).length > 0,
  );
  t.match(changes, [{ after: { node: b.nodeId, kind: "copy", problem: /No space is left in / } }]);
  t.match(receiver.output, /No space is left in /);
  await untilText(b.metricsUrl, (text) =>
    text.includes('ollamamax_replication_copies_total{result="failed"} 1'),
  );
  t.same(partials(), [], "what had come takes no space any more");
  await chat();

  const c = await cluster.start("c", SLOW).ready();
  await until(`${c.apiUrl}/api/cluster/replicas`, readyOn("a", "c"));
  t.ok(isWholeOn("c"));
  t.same(partials(), [], "b was not asked again");

  resizeDisk(disk, DISK_BYTES);
  await chat();
  const copy = await call(`${b.apiUrl}/api/copy`, { source: "answers", destination: "again" });
  t.equal(copy.status, 200, copy.text);
  t.match(await receiver.kill("SIGTERM"), { code: 0 });
});
