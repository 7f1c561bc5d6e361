import t from "tap";
import { ManualClock } from "../../../test/fixtures/manual-clock.ts";
import type { Waiting } from "../../core/ports.ts";
import { unlessAborted } from "../changes.ts";
import { reminded } from "./reminded.ts";

const INTERVAL_MS = 1_000;
const { signal } = new AbortController();

/** Gives what it is told to give, when it is told. */
function source() {
  const gates = [1, 2, 3, 4].map(() => Promise.withResolvers<number | undefined>());
  let ended = false;
  const items = async function* ({ signal }: Waiting): AsyncIterable<number> {
    try {
      for (const gate of gates) {
        const item = await unlessAborted(gate.promise, signal);
        if (item === undefined) return;
        yield item;
      }
    } finally {
      ended = true;
    }
  };
  return { gates, items, ended: () => ended };
}

t.test("the last one again, as long as no other comes", async (t) => {
  const clock = new ManualClock();
  const { gates, items, ended } = source();
  const read: number[] = [];
  const reading = (async () => {
    for await (const item of reminded(items, INTERVAL_MS, { clock, signal })) read.push(item);
  })();
  await clock.advance(5 * INTERVAL_MS);
  t.same(read, [], "there is none yet");
  gates[0]?.resolve(7);
  await clock.advance(INTERVAL_MS / 2);
  t.same(read, [7]);
  await clock.advance(2 * INTERVAL_MS);
  t.same(read, [7, 7, 7]);
  gates[1]?.resolve(8);
  gates[2]?.resolve(8);
  await clock.advance(INTERVAL_MS / 2);
  t.same(read, [7, 7, 7, 8, 8]);
  gates[3]?.resolve(undefined);
  await reading;
  t.ok(ended());
  t.equal(clock.sleeping, 0);
});

t.test("who leaves or aborts between two of them", async (t) => {
  for (const how of ["leaves", "aborts"]) {
    const clock = new ManualClock();
    const { gates, items, ended } = source();
    const aborting = new AbortController();
    const all = reminded(items, INTERVAL_MS, { clock, signal: aborting.signal });
    gates[0]?.resolve(7);
    t.same(await all.next(), { value: 7, done: false });
    if (how === "aborts") {
      const next = all.next();
      aborting.abort();
      await t.rejects(next, { name: "AbortError" });
    } else {
      const next = all.next();
      await clock.advance(INTERVAL_MS);
      t.same(await next, { value: 7, done: false });
      await all.return();
    }
    t.ok(ended(), how);
    t.equal(clock.sleeping, 0);
  }
});

t.test("a failure is passed on", async (t) => {
  const clock = new ManualClock();
  const { gates, items } = source();
  gates[0]?.reject(new Error("it broke"));
  const all = reminded(items, INTERVAL_MS, { clock, signal });
  await t.rejects(all.next(), { message: "it broke" });
  t.equal(clock.sleeping, 0);
});
