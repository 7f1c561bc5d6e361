import t from "tap";
import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import { Pulse } from "./pulse.ts";

const never = new AbortController().signal;

t.test("sleeps until its time, a call, or the end", async (t) => {
  const clock = new ManualClock();
  const pulse = new Pulse();
  let woken = 0;
  const nap = (signal = never) => pulse.sleep(clock, 100, signal).then(() => woken++);

  const first = nap();
  await clock.advance(99);
  t.equal(woken, 0);
  await clock.advance(1);
  await first;

  const second = nap();
  pulse.wake();
  await second;
  t.equal(clock.nowMs(), 100);

  const stopping = new AbortController();
  const third = nap(stopping.signal);
  stopping.abort();
  await third;
  t.equal(woken, 3);
  t.equal(clock.sleeping, 0, "nothing is left behind");
});

t.test("a call that comes while nobody sleeps cuts the next sleep, and only that", async (t) => {
  const clock = new ManualClock();
  const pulse = new Pulse();
  pulse.wake();
  pulse.wake();
  await pulse.sleep(clock, 100, never);
  t.equal(clock.nowMs(), 0);
  let awake = false;
  const next = pulse.sleep(clock, 100, never).then(() => {
    awake = true;
  });
  await clock.advance(50);
  t.notOk(awake);
  await clock.advance(50);
  await next;
});
