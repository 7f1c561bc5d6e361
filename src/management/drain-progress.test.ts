import t from "tap";
import { nodeOf, recordOf } from "../../test/fixtures/fake-cluster.ts";
import type { NodeId } from "../core/node-id.ts";
import { drainProgress } from "./drain-progress.ts";

const idOf = (id: string): NodeId => id as NodeId;
const draining = { draining: true, running: 0 };

const rows: readonly (readonly [
  what: string,
  others: Readonly<Record<string, { health?: "failed"; state?: "draining" }>>,
  held: readonly string[],
  elsewhere: readonly number[],
  canLeave: boolean,
])[] = [
  ["nothing held", {}, [], [], true],
  ["a last copy", { b: {} }, ["a one"], [0], false],
  ["a copy elsewhere", { b: {} }, ["a one", "b one"], [1], true],
  ["one of two is a last copy", { b: {} }, ["a one", "a two", "b one"], [1, 0], false],
  ["the other holder failed", { b: { health: "failed" } }, ["a one", "b one"], [0], false],
  ["the other drains, too", { b: { state: "draining" } }, ["a one", "b one"], [0], false],
  ["the other is not there yet", { b: {} }, ["a one", "b one syncing"], [0], false],
  ["a node that nobody knows", {}, ["a one", "z one"], [0], false],
  ["what it does not hold ready", { b: {} }, ["a one failed"], [], true],
];

t.test("who may leave", async (t) => {
  for (const [what, others, held, elsewhere, canLeave] of rows) {
    const self = nodeOf({ id: idOf("a"), name: "node-a", state: "draining" });
    const nodes = Object.entries(others).map(([id, more]) => nodeOf({ id: idOf(id), ...more }));
    const replicas = held.map((text) => {
      const [node = "", name = "", state = "ready"] = text.split(" ");
      const holder = { node: idOf(node), state: state as "ready", ageMs: 0 };
      return { record: recordOf(name), holder };
    });
    const progress = drainProgress(self, draining, [self, ...nodes], replicas);
    t.same(
      progress.models.map((model) => model.elsewhere),
      elsewhere,
      what,
    );
    t.equal(progress.canLeave, canLeave, what);
    t.equal(drainProgress(self, { ...draining, running: 1 }, nodes, replicas).canLeave, false);
    t.equal(drainProgress(self, { ...draining, draining: false }, nodes, []).canLeave, false);
  }
});
