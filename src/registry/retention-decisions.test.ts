import t from "tap";
import { testNodeId } from "../../test/fixtures/registry-rows.ts";
import type { NodeHealth } from "../core/node-view.ts";
import type { NodeStatus } from "./nodes.ts";
import { DAY_MS, decideGone, GONE_DAYS } from "./retention-decisions.ts";

const LIMIT_MS = GONE_DAYS * DAY_MS;
const id = testNodeId(1);

const TABLE: readonly [
  status: NodeStatus,
  silentMs: number,
  health: NodeHealth | undefined,
  gone: boolean,
][] = [
  ["offline", LIMIT_MS + 1, undefined, true],
  ["failed", LIMIT_MS + 1, undefined, true],
  ["offline", LIMIT_MS, undefined, false],
  ["offline", 0, undefined, false],
  ["active", LIMIT_MS * 9, undefined, false],
  ["draining", LIMIT_MS * 9, undefined, false],
  ["offline", LIMIT_MS * 9, "failed", true],
  ["offline", LIMIT_MS * 9, "left", true],
  ["offline", LIMIT_MS * 9, "alive", false],
  ["failed", LIMIT_MS * 9, "suspect", false],
];

t.test("gone is who is neither in the registry nor in the mesh", (t) => {
  for (const [status, silentMs, health, gone] of TABLE) {
    const nodes = health ? [{ id, health }] : [{ id: testNodeId(2), health: "alive" as const }];
    const told = `${status} for ${silentMs / DAY_MS} days, ${health} in the mesh`;
    t.same(decideGone([{ id, status, silentMs }], nodes), gone ? [id] : [], told);
  }
  t.end();
});
