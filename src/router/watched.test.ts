import t from "tap";
import { digestOf } from "../../test/fixtures/fake-cluster.ts";
import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import type { GenerateEvent, GenerateRequest } from "../core/inference.ts";
import type { Engine, Waiting } from "../core/ports.ts";
import { Watchdog } from "./watchdog.ts";
import { watched } from "./watched.ts";

const MODEL = digestOf("m");
const REQUEST: GenerateRequest = {
  requestId: "r",
  model: MODEL,
  input: { kind: "prompt", prompt: "p" },
  runner: {},
  sampling: {},
};
const LIMITS = {
  firstTokenFloorMs: 10_000,
  nextTokenFloorMs: 3_000,
  waitingMs: 330_000,
  unknownMs: 60_000,
};
const QUEUED: GenerateEvent = { type: "queued", position: 1 };
const LOADING: GenerateEvent = { type: "loading", fraction: 0.5 };
const STARTED: GenerateEvent = { type: "started", promptTokens: 1, cachedTokens: 0, loadMs: 0 };
const TEXT: GenerateEvent = { type: "text", text: "a", tokens: 1 };
const END: GenerateEvent = {
  ...{ type: "end", reason: "stop", promptTokens: 1, tokens: 1 },
  ...{ promptMs: 1, outputMs: 1 },
};

type Step = GenerateEvent | number;

/** Events, and pauses in milliseconds; after the last one it is silent for ever. */
function scripted(steps: readonly Step[], clock: ManualClock) {
  const seen = { left: false, reason: undefined as unknown };
  async function* generate(_request: GenerateRequest, { signal }: Waiting) {
    signal.addEventListener("abort", () => {
      seen.reason = signal.reason;
    });
    try {
      for (const step of steps) {
        if (typeof step === "number") await clock.sleep(step, signal);
        else yield step;
      }
      if (steps.at(-1) !== END) await clock.sleep(Number.MAX_SAFE_INTEGER, signal);
    } finally {
      seen.left = true;
    }
  }
  return { engine: { generate } as unknown as Engine, seen };
}

async function run(steps: readonly Step[], watchdog = new Watchdog(LIMITS)) {
  const clock = new ManualClock();
  const { engine, seen } = scripted(steps, clock);
  const events: GenerateEvent[] = [];
  const signal = new AbortController().signal;
  let outcome: string | undefined;
  let atMs = 0;
  const reading = (async () => {
    try {
      for await (const event of watched(engine, REQUEST, watchdog, clock, { signal })) {
        events.push(event);
      }
      outcome = "end";
    } catch (error) {
      outcome = (error as { code?: string }).code ?? String(error);
    }
    atMs = clock.nowMs();
  })();
  while (outcome === undefined && clock.nowMs() < 1_000_000) await clock.advance(100);
  await reading;
  return { outcome, atMs, events, seen, clock };
}

t.test("how long each phase may be silent", async (t) => {
  const learned = (): Watchdog => {
    const watchdog = new Watchdog(LIMITS);
    for (let i = 0; i < 50; i++) {
      watchdog.learn(MODEL, "first token", 10);
      watchdog.learn(MODEL, "next token", 1);
    }
    return watchdog;
  };
  const rows: readonly (readonly [
    what: string,
    Step[],
    Watchdog,
    outcome: string,
    atMs: number,
  ])[] = [
    ["nothing at all, unknown model", [], new Watchdog(LIMITS), "STALLED", 60_000],
    ["nothing at all", [], learned(), "STALLED", 10_000],
    ["after the start", [STARTED], learned(), "STALLED", 10_000],
    ["between tokens", [STARTED, TEXT], learned(), "STALLED", 3_000],
    ["queued", [QUEUED], learned(), "STALLED", 330_000],
    ["loading", [LOADING], learned(), "STALLED", 330_000],
    [
      "a picture, before the answer and amid another's",
      [STARTED, LOADING, 100_000, TEXT, 2_900, TEXT, LOADING, 100_000, TEXT, END],
      learned(),
      "end",
      202_900,
    ],
    ["queued, then started", [QUEUED, 100_000, STARTED], learned(), "STALLED", 110_000],
    [
      "queued again and again",
      [QUEUED, 300_000, QUEUED, 300_000, LOADING, 1, STARTED, TEXT, END],
      learned(),
      "end",
      600_001,
    ],
    [
      "slow tokens in time",
      [STARTED, 9_000, TEXT, 2_900, TEXT, 2_900, END],
      learned(),
      "end",
      14_800,
    ],
  ];
  for (const [what, steps, watchdog, outcome, atMs] of rows) {
    const result = await run(steps, watchdog);
    t.equal(result.outcome, outcome, what);
    t.ok(result.atMs >= atMs && result.atMs <= atMs + 100, `${what}: at ${result.atMs}`);
    t.ok(result.seen.left, `${what}: the engine was left`);
    t.equal(result.clock.sleeping, 0, `${what}: no timer is left`);
  }
});

t.test("the engine learns that it stalled", async (t) => {
  const { seen } = await run([STARTED]);
  t.match(seen.reason, { code: "STALLED", message: "the node said nothing for 60.0 s" });
});

t.test(
  "what was waited for in the queue is not learned as a time to the first token",
  async (t) => {
    const watchdog = new Watchdog(LIMITS);
    await run([QUEUED, 50_000, TEXT, END], watchdog);
    t.equal(watchdog.limitMs(MODEL, "first token"), LIMITS.unknownMs);
    await run([20, TEXT, END], watchdog);
    t.equal(watchdog.limitMs(MODEL, "first token"), LIMITS.firstTokenFloorMs);
  },
);

t.test("a reader who takes his time is no stall", async (t) => {
  const clock = new ManualClock();
  const { engine } = scripted([STARTED, TEXT, END], clock);
  const signal = new AbortController().signal;
  let count = 0;
  for await (const _event of watched(engine, REQUEST, new Watchdog(LIMITS), clock, { signal })) {
    count++;
    await clock.advance(1_000_000);
  }
  t.equal(count, 3);
});

t.test("a process that stood still itself gives what lies there the time to be read", async (t) => {
  class FrozenClock extends ManualClock {
    frozenMs = 0;
    override nowMs(): number {
      return super.nowMs() + this.frozenMs;
    }
  }
  const clock = new FrozenClock();
  const { engine } = scripted([STARTED, TEXT, 2_500, TEXT, 2_500, END], clock);
  const watchdog = new Watchdog(LIMITS);
  for (let i = 0; i < 50; i++) watchdog.learn(MODEL, "next token", 1);
  const signal = new AbortController().signal;
  let last: GenerateEvent | undefined;
  const reading = (async () => {
    for await (const event of watched(engine, REQUEST, watchdog, clock, { signal })) last = event;
  })();
  await clock.advance(1_000);
  clock.frozenMs = 20_000;
  for (let i = 0; i < 50; i++) await clock.advance(100);
  await reading;
  t.equal(last?.type, "end");
});

t.test("leaving early, or aborting, leaves the engine", async (t) => {
  const clock = new ManualClock();
  const left = scripted([STARTED, TEXT], clock);
  const never = new AbortController().signal;
  for await (const event of watched(left.engine, REQUEST, new Watchdog(), clock, {
    signal: never,
  })) {
    if (event.type === "text") break;
  }
  await clock.advance(0);
  t.ok(left.seen.left);

  const aborted = scripted([STARTED], clock);
  const abort = new AbortController();
  await t.rejects(async () => {
    for await (const _event of watched(aborted.engine, REQUEST, new Watchdog(), clock, abort))
      abort.abort(new Error("gone"));
  }, /gone/);
  await clock.advance(0);
  t.ok(aborted.seen.left);
  t.equal(clock.sleeping, 0);
});
