import t from "tap";
import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import { answered } from "./answered.ts";

const onSilence = (): Error => new Error("silence");

t.test("an answer in time, a failure in time, and none", async (t) => {
  const clock = new ManualClock();
  const wait = { clock, timeoutMs: 100, onSilence };
  t.equal(await answered(Promise.resolve(1), wait), 1);
  await t.rejects(answered(Promise.reject(new Error("refused")), wait), { message: "refused" });
  t.equal(clock.sleeping, 0, "no timer is left");
  const silent = answered(new Promise(() => {}), wait);
  silent.catch(() => {});
  await clock.advance(99);
  t.equal(clock.sleeping, 1);
  await clock.advance(1);
  await t.rejects(silent, { message: "silence" });
});

t.test("an answer that waits to be read when the time is over counts", async (t) => {
  const clock = new ManualClock();
  const answer = Promise.withResolvers<number>();
  const late = answered(answer.promise, { clock, timeoutMs: 100, onSilence });
  const over = clock.advance(100);
  setImmediate(() => answer.resolve(1));
  await over;
  t.equal(await late, 1);
});
