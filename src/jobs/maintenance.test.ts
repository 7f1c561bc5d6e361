import t from "tap";
import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import { recordingLog } from "../../test/fixtures/recording-log.ts";
import { recordingMetrics } from "../../test/fixtures/recording-metrics.ts";
import type { Cleanup, Fence } from "../core/jobs.ts";
import { type Check, Maintenance } from "./maintenance.ts";

const FENCE: Fence = { name: "leader", token: 7n };
const o = { signal: new AbortController().signal };
const REMOVED = "ollamamax_maintenance_rows_removed_total";

/** Maintenance with one cleanup that finds this many rows, ten at a time, and a check. */
function open(rows: number, check: Check = async () => {}) {
  const fences: Fence[] = [];
  let left = rows;
  const cleanup: Cleanup = {
    name: "audit",
    rowsMax: 10,
    remove: async (fence) => {
      fences.push(fence);
      const removed = Math.min(left, 10);
      left -= removed;
      return removed;
    },
  };
  const log = recordingLog();
  const metrics = recordingMetrics();
  const deps = {
    cleanups: [cleanup],
    checks: { database: check },
    clock: new ManualClock(),
    log,
    metrics,
  };
  const queues = new Maintenance(deps).queues(FENCE);
  const work = async (name: string): Promise<void> => {
    const queue = queues.find((queue) => queue.name === name);
    if (!queue) throw new Error(`no queue ${name}`);
    await queue.work(o);
  };
  return { queues, work, fences, log, metrics };
}

t.test("a cleanup goes on until there is no more, and says how much there was", async (t) => {
  for (const [rows, batches] of [
    [0, 1],
    [9, 1],
    [10, 2],
    [35, 4],
    [10_000, 500],
  ] as const) {
    const { work, fences, metrics, log } = open(rows);
    await work("maintenance.audit");
    t.equal(fences.length, batches, `${rows} rows`);
    t.ok(fences.every((fence) => fence === FENCE));
    t.equal(
      metrics.value(REMOVED, { job: "audit" }),
      Math.min(rows, 5_000),
      "the rest is for the next hour",
    );
    t.equal(log.lines.length, rows === 0 ? 0 : 1);
  }
});

t.test("what was removed before a failure counts", async (t) => {
  let batch = 0;
  const metrics = recordingMetrics();
  const remove = async (): Promise<number> => {
    if (++batch === 3) throw new RangeError("away");
    return 10;
  };
  const cleanups: Cleanup[] = [{ name: "keys", rowsMax: 10, remove }];
  const deps = { cleanups, checks: {}, clock: new ManualClock(), log: recordingLog(), metrics };
  const [queue] = new Maintenance(deps).queues(FENCE);
  await t.rejects(queue?.work(o) ?? Promise.resolve(), RangeError);
  t.equal(metrics.value(REMOVED, { job: "keys" }), 20);
});

t.test("a check is told of, and its failure is the job's", async (t) => {
  const good = open(0);
  await good.work("check.database");
  t.match(good.log.lines, [{ level: "debug", fields: { check: "database", durationMs: 0 } }]);
  const bad = open(0, async () => {
    throw new RangeError("no answer");
  });
  await t.rejects(bad.work("check.database"), RangeError);
});

t.test("each has a name and a time of its own", async (t) => {
  const names = ["requests", "audit", "nodes", "replicas", "keys"] as const;
  const cleanups = names.map((name) => ({ name, rowsMax: 1, remove: async () => 0 }));
  const checks = { database: async () => {}, cache: async () => {} };
  const deps = { clock: new ManualClock(), log: recordingLog(), metrics: recordingMetrics() };
  const queues = new Maintenance({ cleanups, checks, ...deps }).queues(FENCE);
  const hourly = queues.filter(({ name }) => name.startsWith("maintenance."));
  t.equal(new Set(hourly.map(({ schedule }) => schedule)).size, names.length);
  t.equal(new Set(queues.map(({ name }) => name)).size, names.length + 2);
});
