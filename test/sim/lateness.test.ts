import t from "tap";
import { agreedAfterMs, failures, membershipCluster } from "./membership-cluster.ts";
import { seedOfRun } from "./seed.ts";
import type { Change } from "./sim-cluster.ts";

const seed = seedOfRun();
const NODE_COUNT = 20;
const LATE = 0;

for (const stallMs of [300, 1_000, 3_000, 10_000, 60_000]) {
  for (const lossShare of [0, 0.05]) {
    t.test(`an event loop still for ${stallMs} ms, loss ${lossShare}, seeds from ${seed}`, (t) => {
      for (let run = 0; run < 10; run++) {
        const cluster = membershipCluster({
          nodeCount: NODE_COUNT,
          lossShare,
          seed: seed + run,
          isWarm: true,
        });
        cluster.run(5_000 + 61 * run);
        cluster.stall(LATE, stallMs);
        cluster.run(stallMs + 1);
        t.ok(agreedAfterMs(cluster, 20_000) !== undefined, `all is well again, run ${run}`);
        const blamed = failures(cluster.changes).filter(({ node }) => node !== LATE);
        t.same(blamed, [], `nobody pays for it, run ${run}`);
      }
      t.end();
    });
  }
}

t.test(`stalls one after another, seeds from ${seed}`, (t) => {
  for (let run = 0; run < 5; run++) {
    const cluster = membershipCluster({
      nodeCount: NODE_COUNT,
      lossShare: 0.05,
      seed: seed + run,
      isWarm: true,
    });
    for (let stall = 0; stall < 60; stall++) {
      cluster.stall(LATE, 400 + 37 * stall);
      cluster.run(3_000 + 37 * stall);
    }
    const blamed = failures(cluster.changes).filter(({ node }) => node !== LATE);
    t.same(blamed, [], `it fails no healthy node, run ${run}`);
  }
  t.end();
});

t.test(`an event loop still while somebody is suspect, seeds from ${seed}`, (t) => {
  for (let run = 0; run < 20; run++) {
    const cluster = membershipCluster({ nodeCount: NODE_COUNT, seed: seed + run, isWarm: true });
    const suspicions = (): readonly Change[] =>
      cluster.changes.filter(({ observer, kind }) => observer === LATE && kind === "suspect");
    cluster.network.partition([1]);
    while (suspicions().length === 0) cluster.run(10);
    cluster.network.heal();
    // Longer than any suspicion lasts, even one that is stretched as far as it can be.
    cluster.stall(LATE, 60_000);
    cluster.run(60_001);
    t.ok(agreedAfterMs(cluster, 20_000) !== undefined, `all is well again, run ${run}`);
    // Its deadlines have passed while it could not read the answers.
    const blamed = failures(cluster.changes).filter(({ observer }) => observer === LATE);
    t.same(blamed, [], `its suspects get that time back, run ${run}`);
  }
  t.end();
});
