import t from "tap";
import { failures, membershipCluster, percentile } from "./membership-cluster.ts";
import { seedOfRun } from "./seed.ts";
import type { SimCluster } from "./sim-cluster.ts";

const seed = seedOfRun();

interface Delays {
  /** From the fault to an observer's change, one for each observer and fault; Infinity: it never came. */
  readonly suspectMs: number[];
  readonly failedMs: number[];
}

/** One fault after another in a cluster of this size, `runs` times over, as every other node sees them. */
function delaysOf(
  how: "kill" | "freeze",
  { nodeCount, runs, faults = 1 }: { nodeCount: number; runs: number; faults?: number },
): Delays & { readonly wrong: number } {
  const delays: Delays = { suspectMs: [], failedMs: [] };
  let wrong = 0;
  for (let run = 0; run < runs; run++) {
    const cluster = membershipCluster({ nodeCount, seed: seed + run, isWarm: true });
    // Faults fall on no particular moment of probing and heartbeats.
    cluster.run(3_000 + 61 * run);
    const faultMs = new Map<number, number>();
    for (let node = 0; node < faults; node++) {
      faultMs.set(node, cluster.nowMs);
      cluster[how](node);
      cluster.run(731);
    }
    cluster.run(10_000);
    for (const [node, atMs] of faultMs) {
      for (let observer = faults; observer < nodeCount; observer++) {
        addDelays(delays, cluster, { observer, node, atMs });
      }
    }
    wrong += failures(cluster.changes).filter(({ node }) => !faultMs.has(node)).length;
  }
  return { ...delays, wrong };
}

function addDelays(
  delays: Delays,
  cluster: SimCluster,
  fault: { observer: number; node: number; atMs: number },
): void {
  const seen = cluster.changes.filter(
    ({ observer, node, atMs }) =>
      observer === fault.observer && node === fault.node && atMs >= fault.atMs,
  );
  const first = (kinds: readonly string[]): number =>
    (seen.find(({ kind }) => kinds.includes(kind))?.atMs ?? Number.POSITIVE_INFINITY) - fault.atMs;
  delays.suspectMs.push(first(["suspect", "failed"]));
  delays.failedMs.push(first(["failed"]));
}

// The design's bounds, as each of the others sees it; for 50 nodes a value between those that it names. A run of 1,000
// nodes is dear: its percentile is over all observers of six faults only.
const BOUNDS = [
  { how: "kill", nodeCount: 3, runs: 40, suspectMs: 1_000, failedMs: 1_000 },
  { how: "kill", nodeCount: 10, runs: 40, suspectMs: 1_000, failedMs: 1_000 },
  { how: "kill", nodeCount: 50, runs: 10, suspectMs: 1_000, failedMs: 1_000 },
  { how: "freeze", nodeCount: 3, runs: 100, suspectMs: 4_000, failedMs: 4_000 },
  { how: "freeze", nodeCount: 10, runs: 200, suspectMs: 4_000, failedMs: 4_000 },
  { how: "freeze", nodeCount: 50, runs: 40, suspectMs: 6_000, failedMs: 6_000 },
  { how: "freeze", nodeCount: 1_000, runs: 1, faults: 6, suspectMs: 8_000, failedMs: 8_000 },
] as const;

for (const { how, suspectMs, failedMs, ...cluster } of BOUNDS) {
  t.test(`${how} one of ${cluster.nodeCount}, seeds from ${seed}`, (t) => {
    const delays = delaysOf(how, cluster);
    const [suspectP99Ms, failedP99Ms] = [delays.suspectMs, delays.failedMs].map((values) =>
      Math.round(percentile(values, 0.99)),
    );
    t.ok(Number(suspectP99Ms) <= suspectMs, `routed around after ${suspectP99Ms} ms (p99)`);
    t.ok(Number(failedP99Ms) <= failedMs, `failed after ${failedP99Ms} ms (p99)`);
    t.ok(delays.failedMs.every(Number.isFinite), "by everybody");
    t.equal(delays.wrong, 0, "and nobody else was failed");
    t.end();
  });
}
