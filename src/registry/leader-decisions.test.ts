import t from "tap";
import { testNodeId, testNodeView } from "../../test/fixtures/registry-rows.ts";
import type { NodeHealth } from "../core/node-view.ts";
import { decideStatuses, FAILED_MS, UNSEEN_MS } from "./leader-decisions.ts";
import type { NodeStatus, NodeStatusRow } from "./nodes.ts";

const UNKNOWN = "unknown";

function row(status: NodeStatus, ageMs: number | undefined, incarnation = 5n): NodeStatusRow {
  return { id: testNodeId(1), status, incarnation, heartbeatAgeMs: ageMs };
}

t.test("one node: what its row says, how old it is, what the mesh says, what is decided", (t) => {
  const table: readonly [
    status: NodeStatus,
    ageMs: number | undefined,
    mesh: NodeHealth | typeof UNKNOWN,
    decided: NodeStatus | undefined,
  ][] = [
    ["active", 0, "alive", undefined],
    ["active", FAILED_MS + 1, "alive", undefined], // Its way to the database is broken, not the node.
    ["active", 0, "suspect", undefined],
    ["active", 0, "failed", "failed"],
    ["active", 0, "left", "offline"],
    ["active", UNSEEN_MS, UNKNOWN, undefined],
    ["active", UNSEEN_MS + 1, UNKNOWN, "offline"],
    ["active", undefined, UNKNOWN, "offline"],
    ["draining", 0, "alive", undefined],
    ["draining", 0, "failed", "failed"],
    ["draining", 0, "left", "offline"],
    ["draining", UNSEEN_MS + 1, UNKNOWN, "offline"],
    ["failed", FAILED_MS, "failed", undefined],
    ["failed", FAILED_MS + 1, "failed", "offline"],
    ["failed", FAILED_MS, UNKNOWN, undefined],
    ["failed", FAILED_MS + 1, UNKNOWN, "offline"],
    ["failed", undefined, UNKNOWN, "offline"],
    ["offline", 0, "alive", undefined],
    ["offline", undefined, UNKNOWN, undefined],
    ["offline", FAILED_MS + 1, "failed", undefined],
  ];
  for (const [status, ageMs, mesh, decided] of table) {
    const views = mesh === UNKNOWN ? [] : [testNodeView(1, { health: mesh, incarnation: 5n })];
    const expected = decided ? [{ id: testNodeId(1), status: decided, incarnation: 5n }] : [];
    t.same(decideStatuses([row(status, ageMs)], views), expected, `${status} ${ageMs} ${mesh}`);
  }
  t.end();
});

t.test("news of an incarnation that the row has outlived counts for nothing", (t) => {
  for (const health of ["failed", "left"] as const) {
    const view = (incarnation: bigint) => testNodeView(1, { health, incarnation });
    t.same(decideStatuses([row("active", 0, 5n)], [view(4n)]), [], `older ${health}`);
    const status = health === "failed" ? "failed" : "offline";
    const decided = [{ id: testNodeId(1), status, incarnation: 5n }];
    t.same(decideStatuses([row("active", 0, 5n)], [view(6n)]), decided, `newer ${health}`);
  }
  t.end();
});

t.test("a leader decides nothing about itself", (t) => {
  const self = testNodeView(1, { self: true, health: "failed", incarnation: 9n });
  t.same(decideStatuses([row("active", undefined)], [self]), []);
  t.end();
});

t.test("each row by its own view", (t) => {
  const rows = [1, 2, 3].map((number) => ({ ...row("active", 0), id: testNodeId(number) }));
  const views = [testNodeView(3, { health: "left", incarnation: 5n }), testNodeView(4)];
  t.same(decideStatuses(rows, views), [{ id: testNodeId(3), status: "offline", incarnation: 5n }]);
  t.same(decideStatuses([], views), []);
  t.end();
});
