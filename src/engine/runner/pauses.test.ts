import t from "tap";
import { Pauses } from "./pauses.ts";

t.test("nobody waits unless somebody wants a pause, and until the last has had it", async (t) => {
  const pauses = new Pauses();
  t.equal(pauses.now, undefined);
  const one = Promise.withResolvers<string>();
  const two = Promise.withResolvers<void>();
  const first = pauses.during(() => one.promise);
  const second = pauses.during(() => two.promise);
  let isOver = false;
  const waiting = pauses.now?.then(() => {
    isOver = true;
  });
  one.resolve("done");
  t.equal(await first, "done");
  t.notOk(isOver);
  two.reject(new Error("failed"));
  await t.rejects(second, /failed/);
  await waiting;
  t.ok(isOver);
  t.equal(pauses.now, undefined);
});
