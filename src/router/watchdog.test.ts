import t from "tap";
import { digestOf } from "../../test/fixtures/fake-cluster.ts";
import { STALL_LIMITS, Watchdog } from "./watchdog.ts";

const MODEL = digestOf("m");
const { firstTokenFloorMs, nextTokenFloorMs, waitingMs, unknownMs } = STALL_LIMITS;

t.test("of a model that was never seen, the long limits", (t) => {
  const watchdog = new Watchdog();
  t.equal(watchdog.limitMs(MODEL, "waiting"), waitingMs);
  t.equal(watchdog.limitMs(MODEL, "first token"), unknownMs);
  t.equal(watchdog.limitMs(MODEL, "next token"), unknownMs);
  t.end();
});

t.test("learns for each model and phase, never below the floors", (t) => {
  const watchdog = new Watchdog();
  for (let i = 0; i < 50; i++) watchdog.learn(MODEL, "next token", 20);
  t.equal(watchdog.limitMs(MODEL, "next token"), nextTokenFloorMs);
  t.equal(watchdog.limitMs(MODEL, "first token"), unknownMs, "the other phase is as before");
  t.equal(watchdog.limitMs(digestOf("other"), "next token"), unknownMs);
  watchdog.learn(MODEL, "first token", 100);
  t.equal(watchdog.limitMs(MODEL, "first token"), firstTokenFloorMs);
  t.end();
});

t.test("mean and eight deviations, as RFC 6298 estimates them", (t) => {
  const watchdog = new Watchdog();
  watchdog.learn(MODEL, "first token", 8_000);
  t.equal(watchdog.limitMs(MODEL, "first token"), 8_000 + 8 * 4_000);
  watchdog.learn(MODEL, "first token", 16_000);
  // mean 8000 + 8000/8; deviation 4000 + (8000 - 4000)/4
  t.equal(watchdog.limitMs(MODEL, "first token"), 9_000 + 8 * 5_000);
  for (let i = 0; i < 200; i++) watchdog.learn(MODEL, "first token", 12_000);
  const limitMs = watchdog.limitMs(MODEL, "first token");
  t.ok(limitMs >= 12_000 && limitMs < 12_100, `${limitMs}: what is steady leaves little room`);
  t.end();
});

t.test("remembers a thousand models, the one not heard of for longest goes", (t) => {
  const watchdog = new Watchdog();
  const model = (i: number) => digestOf(`model ${i}`);
  for (let i = 0; i < 1_000; i++) watchdog.learn(model(i), "first token", 1);
  watchdog.learn(model(0), "first token", 1);
  watchdog.learn(model(1_000), "first token", 1);
  t.equal(watchdog.limitMs(model(0), "first token"), firstTokenFloorMs);
  t.equal(watchdog.limitMs(model(1), "first token"), unknownMs);
  t.equal(watchdog.limitMs(model(2), "first token"), firstTokenFloorMs);
  t.end();
});
