import t from "tap";
import type { NodeHealth } from "../../src/core/node-view.ts";
import type { UpdateRecord } from "../../src/mesh/membership-records.ts";
import { agreedAfterMs, failures, membershipCluster } from "./membership-cluster.ts";
import { seedOfRun } from "./seed.ts";
import type { SimCluster } from "./sim-cluster.ts";

const seed = seedOfRun();
const NODE_COUNT = 20;
const NODE = 3;
const OTHER = 4;
const LOSS_SHARES = [0, 0.05] as const;
const RUNS = 10;

interface Run {
  readonly cluster: SimCluster;
  readonly label: string;
  /** Every message arrives: then it is certain not only what all come to hold, but also how. */
  readonly isLossless: boolean;
}

function eachRun(action: (run: Run) => void): void {
  for (const lossShare of LOSS_SHARES) {
    for (let run = 0; run < RUNS; run++) {
      const options = { nodeCount: NODE_COUNT, lossShare, seed: seed + run, isWarm: true };
      const cluster = membershipCluster(options);
      cluster.run(5_000 + 61 * run);
      action({ cluster, label: `loss ${lossShare}, run ${run}`, isLossless: lossShare === 0 });
    }
  }
}

function updateOf(cluster: SimCluster, health: NodeHealth): UpdateRecord {
  const incarnation = cluster.incarnation(NODE);
  return { node: cluster.idOf(NODE), health, incarnation, multiaddrs: [] };
}

function healths(cluster: SimCluster): readonly (NodeHealth | undefined)[] {
  const observers = Array.from({ length: NODE_COUNT }, (_, index) => index);
  const seen = observers.filter((index) => index !== NODE).map((o) => cluster.health(o, NODE));
  return [...new Set(seen)];
}

t.test(`fifty nodes that start together find each other, seed ${seed}`, (t) => {
  const cluster = membershipCluster({ nodeCount: 50, lossShare: 0.05, seed });
  const metMs = agreedAfterMs(cluster, 10_000);
  t.ok(metMs !== undefined, `after ${metMs} ms`);
  t.end();
});

t.test(`a killed node that starts again, seeds from ${seed}`, (t) => {
  eachRun(({ cluster, label }) => {
    const before = cluster.incarnation(NODE);
    cluster.kill(NODE);
    cluster.run(5_000);
    t.same(healths(cluster), ["failed"], `failed, ${label}`);
    cluster.restart(NODE);
    t.ok(agreedAfterMs(cluster, 10_000) !== undefined, `alive again, ${label}`);
    t.ok(cluster.incarnation(NODE) > before, `in a new life, ${label}`);
    cluster.run(30_000);
    t.ok(
      failures(cluster.changes).every(({ node }) => node === NODE),
      `nobody else, ${label}`,
    );
    t.ok(agreedAfterMs(cluster, 5_000) !== undefined, `and stays so, ${label}`);
  });
  t.end();
});

t.test(`a node that starts again before anybody has judged it, seeds from ${seed}`, (t) => {
  eachRun(({ cluster, label }) => {
    cluster.kill(NODE);
    cluster.run(100);
    cluster.restart(NODE);
    t.ok(agreedAfterMs(cluster, 10_000) !== undefined, label);
  });
  t.end();
});

for (const health of ["suspect", "failed"] as const) {
  t.test(`a healthy node is called ${health}, seeds from ${seed}`, (t) => {
    eachRun(({ cluster, label, isLossless }) => {
      const update = updateOf(cluster, health);
      cluster.publish(OTHER, { type: "update", update, from: cluster.idOf(OTHER) });
      cluster.run(5_000);
      t.ok(agreedAfterMs(cluster, 5_000) !== undefined, `it is alive to all, ${label}`);
      if (isLossless) {
        t.ok(cluster.incarnation(NODE) > update.incarnation, `it has refuted that, ${label}`);
      }
      t.same(failures(cluster.changes), [], `nobody took it for true, ${label}`);
    });
    t.end();
  });
}

t.test(`a node that leaves does not come back by what it said before, seeds from ${seed}`, (t) => {
  eachRun(({ cluster, label, isLossless }) => {
    const heartbeat = cluster.heartbeatOf(NODE);
    const alive = updateOf(cluster, "alive");
    cluster.leave(NODE);
    cluster.run(5_000);
    // Who misses all its last words can only find that it no longer answers.
    const gone = isLossless ? ["left"] : ["left", "failed"];
    const isGone = (): boolean => healths(cluster).every((health) => gone.includes(`${health}`));
    t.ok(isGone(), `it is gone, ${label}`);
    const late = { ...heartbeat, sequence: heartbeat.sequence + 1_000n };
    cluster.publish(NODE, { type: "heartbeat", heartbeat: late });
    cluster.publish(OTHER, { type: "update", update: alive, from: cluster.idOf(OTHER) });
    cluster.run(10_000);
    t.ok(isGone(), `old words change nothing, ${label}`);
    const came = cluster.changes.filter(({ kind }) => kind === "joined");
    t.same(came, [], `not even for a moment, ${label}`);
    cluster.restart(NODE);
    t.ok(agreedAfterMs(cluster, 10_000) !== undefined, `a new life does, ${label}`);
  });
  t.end();
});
