import fc from "fast-check";
import t from "tap";
import { EventQueue } from "./event-queue.ts";

t.test("events come by time, those of one moment in the order in which they were put in", (t) => {
  fc.assert(
    fc.property(fc.array(fc.nat(20)), (dueMs) => {
      const queue = new EventQueue();
      const seen: [number, number][] = [];
      dueMs.forEach((due, order) => {
        queue.push(due, () => seen.push([due, order]));
      });
      for (let action = queue.pop(); action; action = queue.pop()) action();
      const expected = dueMs
        .map((due, order): [number, number] => [due, order])
        .toSorted(([a, i], [b, j]) => a - b || i - j);
      return JSON.stringify(seen) === JSON.stringify(expected);
    }),
  );
  t.pass("in order");
  t.end();
});
