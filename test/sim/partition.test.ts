import t from "tap";
import { agreedAfterMs, failures, membershipCluster } from "./membership-cluster.ts";
import { seedOfRun } from "./seed.ts";

const seed = seedOfRun();
const NODE_COUNT = 50;

/** Nodes below this number are on one side. */
const SIDES = [1, 25] as const;
const LOSS_SHARES = [0, 0.05] as const;

for (const size of SIDES) {
  for (const lossShare of LOSS_SHARES) {
    t.test(`${size} of ${NODE_COUNT} cut off, loss ${lossShare}, seed ${seed}`, (t) => {
      const cluster = membershipCluster({ nodeCount: NODE_COUNT, lossShare, seed, isWarm: true });
      const sideOf = (node: number): number => (node < size ? 0 : 1);
      cluster.run(5_000);
      cluster.network.partition(Array.from({ length: NODE_COUNT }, (_, node) => sideOf(node)));
      cluster.run(60_000);
      const failed = failures(cluster.changes);
      t.equal(failed.length, 2 * size * (NODE_COUNT - size), "each side fails the other, once");
      t.ok(
        failed.every(({ observer, node }) => sideOf(observer) !== sideOf(node)),
        "and nobody of its own",
      );
      cluster.network.heal();
      const healedMs = agreedAfterMs(cluster, 20_000);
      t.ok(healedMs !== undefined, `everybody is alive again on both sides after ${healedMs} ms`);
      cluster.run(60_000);
      t.equal(failures(cluster.changes).length, failed.length, "and stays so");
      t.ok(agreedAfterMs(cluster, 5_000) !== undefined);
      t.end();
    });
  }
}

t.test(`a path that is broken between two nodes only, seed ${seed}`, (t) => {
  const cluster = membershipCluster({ nodeCount: 10, seed, isWarm: true });
  cluster.network.cut(1, 2);
  cluster.network.cut(2, 1);
  cluster.run(600_000);
  t.same(failures(cluster.changes), [], "the others vouch for both");
  t.end();
});

t.test(`a node that is heard and does not hear, seed ${seed}`, (t) => {
  const cluster = membershipCluster({ nodeCount: 10, seed, isWarm: true });
  for (let node = 1; node < 10; node++) cluster.network.cut(node, 0);
  cluster.run(60_000);
  const others = failures(cluster.changes).filter(({ observer }) => observer !== 0);
  t.ok(
    others.every(({ node }) => node === 0),
    "what it says of healthy nodes fails none of them",
  );
  cluster.network.heal();
  t.ok(agreedAfterMs(cluster, 20_000) !== undefined, "and it comes back");
  t.end();
});
