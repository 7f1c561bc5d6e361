import t from "tap";
import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import { followProgress } from "./follow-progress.ts";

const { signal } = new AbortController();

t.test("at most one value in 60 ms, and none twice", async (t) => {
  const clock = new ManualClock();
  const { promise, resolve } = Promise.withResolvers<void>();
  let bytes: number | undefined;
  const seen: number[] = [];
  const reading = (async () => {
    const work = { ended: promise, completedBytes: () => bytes };
    for await (const value of followProgress(work, clock, { signal })) seen.push(value);
  })();
  await clock.advance(60);
  t.same(seen, [], "nothing is known yet");
  bytes = 0;
  await clock.advance(60);
  bytes = 1;
  await clock.advance(59);
  t.same(seen, [0]);
  bytes = 2;
  await clock.advance(1);
  t.same(seen, [0, 2]);
  await clock.advance(600);
  t.same(seen, [0, 2]);
  resolve();
  await reading;
  t.equal(clock.sleeping, 0);
});

t.test("it fails as the work does, and ends when it is told to", async (t) => {
  const clock = new ManualClock();
  const read = async (ended: Promise<void>, o = { signal }): Promise<void> => {
    const work = { ended, completedBytes: () => 0 };
    for await (const value of followProgress(work, clock, o)) t.equal(value, 0);
  };
  await t.rejects(read(Promise.reject(new Error("the work's"))), { message: "the work's" });
  const left = new AbortController();
  const reading = read(new Promise(() => {}), left);
  left.abort(new Error("ours"));
  await t.rejects(reading, { message: "ours" });
  t.equal(clock.sleeping, 0);
});
