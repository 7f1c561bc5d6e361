import t from "tap";
import { mayRun, SlotQueue } from "./slot-queue.ts";

t.test("who may run", (t) => {
  const rows: readonly [number, string | undefined, boolean, string, boolean][] = [
    // running of 2, their configuration, paused, wanted configuration, may
    [0, undefined, false, "a", true],
    [0, "a", false, "b", true],
    [1, "a", false, "a", true],
    [1, "a", false, "b", false],
    [2, "a", false, "a", false],
    [0, undefined, true, "a", false],
  ];
  for (const [running, key, paused, wanted, expected] of rows) {
    const row = JSON.stringify({ running, key, paused, wanted });
    t.equal(mayRun({ slots: 2, running, key, paused }, wanted), expected, row);
  }
  t.end();
});

t.test("first come, first served, and positions move up", async (t) => {
  const queue = new SlotQueue(1);
  const [first, second, third] = [queue.enter("a"), queue.enter("a"), queue.enter("a")];
  t.same([first.granted, second.position, third.position], [true, 1, 2]);
  const { signal } = new AbortController();
  const moved = third.changes.next({ signal });
  second.leave();
  await moved;
  t.equal(third.position, 1);
  first.leave();
  first.leave();
  t.equal(third.granted, true);
  t.same([queue.running, queue.waiting], [1, 0], "leaving twice is leaving once");
  third.leave();
  t.same([queue.running, queue.waiting], [0, 0]);
});

t.test("another configuration waits for an idle runner, and those behind it wait too", (t) => {
  const queue = new SlotQueue(2);
  const [a1, b, a2] = [queue.enter("a"), queue.enter("b"), queue.enter("a")];
  t.same([a1.granted, b.granted, a2.granted], [true, false, false]);
  t.notOk(queue.hasRoom("a"));
  a1.leave();
  t.same([b.granted, a2.granted], [true, false]);
  b.leave();
  t.equal(a2.granted, true);
  t.end();
});

t.test("a paused queue grants nothing", (t) => {
  const queue = new SlotQueue(2);
  queue.pause();
  const ticket = queue.enter("a");
  t.notOk(ticket.granted);
  queue.resume();
  t.ok(ticket.granted);
  t.end();
});
