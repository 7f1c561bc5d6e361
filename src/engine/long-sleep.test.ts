import t from "tap";
import { longSleep } from "./long-sleep.ts";

const DAY_MS = 24 * 60 * 60 * 1_000;

t.test("sleeps in pieces that a timer can hold", async (t) => {
  const slept: number[] = [];
  const clock = { sleep: async (durationMs: number) => void slept.push(durationMs) };
  const { signal } = new AbortController();
  for (const durationMs of [0, 5, DAY_MS, 2 * DAY_MS + 7])
    await longSleep(clock, durationMs, signal);
  t.same(slept, [5, DAY_MS, DAY_MS, DAY_MS, 7]);
});

t.test("for ever ends with the signal", async (t) => {
  let sleeps = 0;
  const clock = {
    sleep: async () => {
      if (++sleeps === 100) throw new Error("aborted");
    },
  };
  const forever = longSleep(clock, Number.POSITIVE_INFINITY, new AbortController().signal);
  await t.rejects(forever, { message: "aborted" });
});
