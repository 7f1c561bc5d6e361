import t from "tap";
import { DEMO_ANSWERS, demoModel } from "../../test/fixtures/demo-model.ts";
import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import { gone, isAlive, testEngine } from "../../test/fixtures/test-engine.ts";
import type { GenerateEvent, GenerateRequest } from "../core/inference.ts";
import { collect, generate, user, waiting } from "./engine.contract.ts";

const ANSWER = DEMO_ANSWERS["why is the sky blue?"];
/** Long enough that nothing ends while a test looks at it. */
const ENDLESS: Partial<GenerateRequest> = {
  input: user("tell me a story"),
  format: { type: "array", minItems: 400, items: { type: "string", minLength: 100 } },
  maxTokens: 10_000,
};

/** A generation that runs until it is told to stop. */
async function occupy(tested: Parameters<typeof generate>[0], changes = ENDLESS) {
  const events = generate(tested, changes)[Symbol.asyncIterator]();
  let next = await events.next();
  while (next.value?.type !== "text") next = await events.next();
  return { events, stop: async () => await events.return?.() };
}

t.test(
  "requests wait in order, are told their place, and leave at once when cancelled",
  async (t) => {
    await using tested = await testEngine({ numParallel: 1, maxQueue: 2 });
    const running = await occupy(tested);
    const abort = new AbortController();
    const places: number[] = [];
    const cancelled = (async () => {
      for await (const event of generate(tested, {}, abort.signal)) {
        if (event.type === "queued") places.push(event.position);
      }
    })();
    const rejected = t.rejects(cancelled, { code: "CANCELLED", message: "request canceled" });
    const waitingEvents = generate(tested, {})[Symbol.asyncIterator]();
    t.same((await waitingEvents.next()).value, { type: "queued", position: 2 });
    t.match(tested.engine.status(), { slots: 1, running: 1, queued: 2 });
    await t.rejects(collect(tested, {}), {
      code: "BUSY",
      message: "server busy, please try again.  maximum pending requests exceeded",
      details: { retryAfterMs: Number },
    });
    const moved = waitingEvents.next();
    abort.abort();
    t.equal(tested.engine.status().queued, 2, "aborting is told in the next turn");
    await rejected;
    t.same(places, [1]);
    t.same((await moved).value, { type: "queued", position: 1 });
    t.equal(tested.engine.status().queued, 1);
    await running.stop();
    const rest: GenerateEvent[] = [];
    for (let next = await waitingEvents.next(); !next.done; next = await waitingEvents.next()) {
      rest.push(next.value);
    }
    t.equal(rest[0]?.type, "started");
    t.match(tested.engine.status(), { running: 0, queued: 0 });
  },
);

t.test("keep-alive: the last request's stays in force, the timer starts when idle", async (t) => {
  const clock = new ManualClock();
  await using tested = await testEngine({ keepAliveMs: 1_000 }, { clock });
  const loaded = () => tested.engine.status().loaded[0];
  await collect(tested, {});
  t.equal(loaded()?.expiresInMs, 1_000);
  await clock.advance(900);
  t.equal(loaded()?.expiresInMs, 100);
  await collect(tested, { keepAliveMs: 60 * 24 * 3_600_000 });
  await collect(tested, {});
  await clock.advance(40 * 24 * 3_600_000);
  t.equal(loaded()?.expiresInMs, 20 * 24 * 3_600_000, "longer than a timer can be");
  const running = await occupy(tested, { ...ENDLESS, keepAliveMs: 500 });
  await clock.advance(10_000);
  t.equal(loaded()?.expiresInMs, 500, "in use");
  await running.stop();
  while (tested.engine.status().running > 0) await new Promise((resolve) => setImmediate(resolve));
  await clock.advance(500);
  await tested.engine.unload(tested.model, waiting());
  t.same(tested.engine.status().loaded, []);
  await collect(tested, { keepAliveMs: 0 });
  await tested.engine.unload(tested.model, waiting());
  t.same(tested.engine.status().loaded, [], "0 unloads after the request");
  await collect(tested, {});
  t.equal(loaded()?.expiresInMs, 1_000, "which is forgotten with the model");
  await tested.engine.unload(tested.model, waiting());
  await Promise.all(tested.runnerPids.map(gone));
});

t.test("unloading during a request keeps nobody waiting", async (t) => {
  await using tested = await testEngine({ numParallel: 2 });
  const running = await occupy(tested);
  await tested.engine.unload(tested.model, waiting());
  t.match(tested.engine.status(), { running: 1, loaded: [{ expiresInMs: 0 }] }, "it still runs");
  t.equal((await collect(tested, {})).text, ANSWER, "others run beside it");
  t.equal(tested.runnerPids.length, 1);
  const other = await occupy(tested);
  const queued = collect(tested, {});
  await tested.engine.unload(tested.model, waiting());
  await other.stop();
  t.equal((await queued).text, ANSWER, "and so do those in the queue");
  await running.stop();
  await gone(tested.runnerPids[0] ?? 0);
  t.same(tested.engine.status().loaded, [], "idle, it is gone");
  const last = await occupy(tested);
  await tested.engine.unload(tested.model, waiting());
  await collect(tested, { keepAliveMs: 60_000 });
  await last.stop();
  while (tested.engine.status().running > 0) await new Promise((resolve) => setImmediate(resolve));
  t.ok((tested.engine.status().loaded[0]?.expiresInMs ?? 0) > 0, "a later keep-alive counts");
  t.equal(tested.runnerPids.length, 2);
});

t.test("retiring waits for running requests, and those behind load it again", async (t) => {
  await using tested = await testEngine({ numParallel: 1 });
  const running = await occupy(tested);
  const unloaded = tested.engine.retire(tested.model, waiting());
  const next = collect(tested, {});
  await running.stop();
  await unloaded;
  t.equal((await next).text, ANSWER);
  t.equal(tested.runnerPids.length, 2);
});

t.test("room is made for another model", async (t) => {
  const models = [demoModel("one"), demoModel("two"), demoModel("three")];
  await using tested = await testEngine({ maxLoadedModels: 2 }, { models });
  const [one, two, three] = models.map(({ manifest }) => ({ ...tested, model: manifest }));
  if (!one || !two || !three) throw new Error("three models");
  const loaded = () => tested.engine.status().loaded.map(({ model }) => model);
  await collect(one, { keepAliveMs: 60_000 });
  await collect(two, { keepAliveMs: 30_000 });
  const three3 = await collect(three, { keepAliveMs: Number.POSITIVE_INFINITY });
  t.equal(three3.text, ANSWER);
  t.same(loaded(), [one.model, three.model], "the idle one with the shortest time left went");
  const [busyOne, busyThree] = [await occupy(one), await occupy(three)];
  const waitingTwo = collect(two, {});
  await new Promise((resolve) => setImmediate(resolve));
  t.same(loaded(), [one.model, three.model], "those in use stay");
  await busyOne.stop();
  t.equal((await waitingTwo).text, ANSWER);
  t.same(loaded(), [two.model, three.model]);
  await busyThree.stop();
});

t.test("memory decides too", async (t) => {
  const models = [demoModel("one"), demoModel("two")];
  const machine = { bytes: 200 * 2 ** 20 };
  // A runner of the demo model takes some 140 MiB: one fits into this machine, two do not.
  const freeMemoryBytes = (): number =>
    machine.bytes - 140 * 2 ** 20 * tested.engine.status().loaded.length;
  await using tested = await testEngine({}, { models, freeMemoryBytes });
  const [one, two] = models.map(({ manifest }) => ({ ...tested, model: manifest }));
  if (!one || !two) throw new Error("two models");
  const loaded = () => tested.engine.status().loaded.map(({ model }) => model);
  await collect(one, {});
  t.same(loaded(), [one.model]);
  await collect(two, {});
  t.same(loaded(), [two.model]);
  await tested.engine.unload(two.model, waiting());
  machine.bytes = 10 * 2 ** 20;
  await t.rejects(collect(one, {}), {
    code: "LOAD_FAILED",
    message: /^model requires more system memory \([\d.]+ MiB\) than is available \(10.0 MiB\)$/,
  });
  await Promise.all(tested.runnerPids.map(gone));
});

t.test("other runner options reload the model once it is idle", async (t) => {
  await using tested = await testEngine();
  const contextLength = () => tested.engine.status().loaded[0]?.contextLength;
  const running = await occupy(tested);
  const other = collect(tested, { runner: { numCtx: 256 } });
  const same = collect(tested, {});
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(contextLength(), 1024);
  await running.stop();
  t.equal((await other).text, ANSWER);
  t.equal((await same).text, ANSWER);
  await collect(tested, {});
  t.equal(tested.runnerPids.length, 3, "the one that came first wanted the default");
  await collect(tested, { runner: { numThread: 2 } });
  t.equal(tested.runnerPids.length, 4);
});

t.test(
  "a load is shared, goes on for those who still want it, and ends with the last",
  async (t) => {
    await using tested = await testEngine();
    const [first, second] = [new AbortController(), new AbortController()];
    const one = collect(tested, {}, first.signal);
    const two = collect(tested, {}, second.signal);
    const gaveUp = t.rejects(one, { code: "CANCELLED" });
    while (tested.runnerPids.length === 0) await new Promise((resolve) => setImmediate(resolve));
    first.abort();
    await gaveUp;
    t.equal((await two).text, ANSWER);
    t.equal(tested.runnerPids.length, 1);
    await tested.engine.unload(tested.model, waiting());
    const third = new AbortController();
    const three = t.rejects(collect(tested, {}, third.signal), { code: "CANCELLED" });
    while (tested.runnerPids.length === 1) await new Promise((resolve) => setImmediate(resolve));
    third.abort();
    await three;
    await gone(tested.runnerPids[1] ?? 0);
    t.same(tested.engine.status().loaded, []);
    t.equal((await collect(tested, {})).text, ANSWER, "and it can be loaded again");
  },
);

t.test("a load that nobody wants any more does not serve who wants another one", async (t) => {
  await using tested = await testEngine({ numParallel: 1 });
  const abort = new AbortController();
  const first = t.rejects(collect(tested, {}, abort.signal), { code: "CANCELLED" });
  while (tested.runnerPids.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const second = collect(tested, { runner: { numCtx: 256 } });
  await new Promise((resolve) => setImmediate(resolve));
  abort.abort();
  await first;
  t.equal((await second).text, ANSWER);
  t.equal(tested.engine.status().loaded[0]?.contextLength, 256);
});

t.test("two models that want each other's room both get it", async (t) => {
  const models = [demoModel("one"), demoModel("two")];
  await using tested = await testEngine({ maxLoadedModels: 1, numParallel: 1 }, { models });
  const [one, two] = models.map(({ manifest }) => ({ ...tested, model: manifest }));
  if (!one || !two) throw new Error("two models");
  const running = await occupy(two);
  // It is told that it waits, gets the slot, and asks for the runner only when the other load has begun to wait for it.
  const reload = generate(two, { runner: { numCtx: 256 } })[Symbol.asyncIterator]();
  t.match((await reload.next()).value, { type: "queued" });
  await running.stop();
  while (tested.engine.status().queued > 0) await new Promise((resolve) => setImmediate(resolve));
  const other = collect(one, {});
  while (tested.runnerPids.length < 2) await new Promise((resolve) => setImmediate(resolve));
  let text = "";
  for (let next = await reload.next(); !next.done; next = await reload.next()) {
    if (next.value.type === "text") text += next.value.text;
  }
  t.equal(text, ANSWER);
  t.equal((await other).text, ANSWER);
});

t.test(
  "a short request comes between long ones that take their time over each token",
  async (t) => {
    await using tested = await testEngine({ numParallel: 3 });
    // Every sequence has something to forget.
    await Promise.all(
      ["who are you?", "What is a replica?", "hello"].map((question) =>
        collect(tested, { input: user(question) }),
      ),
    );
    const stop = new AbortController();
    let longTokens = 0;
    const long = [1, 2].map(async () => {
      for await (const event of generate(
        tested,
        { ...ENDLESS, sampling: { temperature: 1 } },
        stop.signal,
      )) {
        if (event.type === "text") longTokens += event.tokens;
      }
    });
    const ended = Promise.allSettled(long);
    while (longTokens < 10) await new Promise((resolve) => setImmediate(resolve));
    for (let round = 0; round < 5; round++) {
      const before = longTokens;
      t.equal((await collect(tested, {})).text, ANSWER);
      // A fair share would be as many tokens for each as the short answer has.
      // With what had come and was not read yet; starved of a turn, it would wait for 20,000.
      t.ok(longTokens - before < 2_000, `${longTokens - before} tokens of the others meanwhile`);
    }
    stop.abort();
    t.same(
      (await ended).map(({ status }) => status),
      ["rejected", "rejected"],
      "they went on",
    );
  },
);

t.test("settings that mean no limit, or the default", async (t) => {
  const forever = Number.POSITIVE_INFINITY;
  await using tested = await testEngine({
    contextLength: 0,
    loadTimeoutMs: forever,
    keepAliveMs: forever,
  });
  t.equal((await collect(tested, {})).text, ANSWER);
  t.match(tested.engine.status().loaded, [{ contextLength: 1024, expiresInMs: forever }]);
});

t.test("disposal ends everything", async (t) => {
  const tested = await testEngine({ numParallel: 1 });
  const running = await occupy(tested);
  const queued = t.rejects(collect(tested, {}), { code: "RUNNER_DIED" });
  await tested.engine[Symbol.asyncDispose]();
  await t.rejects(
    async () => {
      for (let next = await running.events.next(); !next.done; ) next = await running.events.next();
    },
    { code: "RUNNER_DIED" },
  );
  await queued;
  await t.rejects(collect(tested, {}), { code: "RUNNER_DIED" });
  t.same(tested.runnerPids.filter(isAlive), []);
});
