import t from "tap";
import { agreedAfterMs, failures, membershipCluster } from "./membership-cluster.ts";
import { seedOfRun } from "./seed.ts";

const seed = seedOfRun();
const NODE_COUNT = 50;
const MINUTES = 1_000;
const LOSS_SHARE = 0.05;

t.test(`in ${MINUTES} minutes no healthy node is failed, seed ${seed}`, (t) => {
  const cluster = membershipCluster({ nodeCount: NODE_COUNT, lossShare: LOSS_SHARE, seed });
  t.ok(agreedAfterMs(cluster, 10_000), "all have met");
  const joined = cluster.changes.length;
  cluster.run(MINUTES * 60_000);
  const changes = cluster.changes.slice(joined);
  t.same(failures(changes), [], "no failures");
  t.notOk(changes.some(({ kind }) => kind === "left"));
  const suspicions = changes.filter(({ kind }) => kind === "suspect").length;
  t.ok(suspicions > 0, `the network was bad enough to raise ${suspicions} suspicions`);
  t.ok(agreedAfterMs(cluster, 10_000) !== undefined, "none of them stays");
  t.end();
});
