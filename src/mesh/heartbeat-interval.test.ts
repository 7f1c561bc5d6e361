import t from "tap";
import { heartbeatIntervalMs, heartbeatTtlMs } from "./heartbeat-interval.ts";

t.test(
  "a second for small clusters, twenty a second for large ones, and no more than 15 s",
  (t) => {
    const rows: readonly (readonly [nodes: number, intervalMs: number])[] = [
      [0, 1_000],
      [1, 1_000],
      [20, 1_000],
      [21, 1_050],
      [50, 2_500],
      [300, 15_000],
      [10_000, 15_000],
    ];
    for (const [nodes, intervalMs] of rows) t.equal(heartbeatIntervalMs(nodes), intervalMs);
    t.end();
  },
);

t.test("a heartbeat outlives the loss of the next three", (t) => {
  t.ok(heartbeatTtlMs(1_000) > 3_000);
  t.end();
});
