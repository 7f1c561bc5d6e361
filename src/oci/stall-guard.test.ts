import t from "tap";
import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import { STALL_MS, whileMoving } from "./stall-guard.ts";

const { signal } = new AbortController();
const untilAborted = (o: { readonly signal: AbortSignal }): Promise<never> =>
  new Promise((_, reject) => o.signal.addEventListener("abort", () => reject(o.signal.reason)));

t.test("what moves now and then may take as long as it likes", async (t) => {
  const clock = new ManualClock();
  let touch = (): void => {};
  let ended = false;
  const running = whileMoving(clock, { signal }, (o) => {
    touch = o.touch;
    return untilAborted(o);
  }).catch((error: unknown) => {
    ended = true;
    throw error;
  });
  running.catch(() => {});
  for (let step = 0; step < 5; step++) {
    await clock.advance(STALL_MS - 1);
    touch();
  }
  t.equal(ended, false);
  await clock.advance(STALL_MS - 1);
  t.equal(ended, false);
  await clock.advance(1);
  await t.rejects(running, { code: "STALLED", message: "nothing came for 30 s" });
});

t.test("what has ended is watched no more", async (t) => {
  const clock = new ManualClock();
  t.equal(await whileMoving(clock, { signal }, async () => 7), 7);
  await t.rejects(
    whileMoving(clock, { signal }, async () => {
      throw new Error("its own");
    }),
    { message: "its own" },
  );
  const left = new AbortController();
  const running = whileMoving(clock, { signal: left.signal }, untilAborted);
  left.abort(new Error("ours"));
  await t.rejects(running, { message: "ours" });
  t.equal(clock.sleeping, 0);
});
