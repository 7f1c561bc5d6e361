import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { DEMO_ANSWERS, DEMO_MODEL_PATH, demoModel } from "../../test/fixtures/demo-model.ts";
import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import { tempFolder } from "../../test/fixtures/temp-folder.ts";
import { gone, isAlive, type TestEngine, testEngine } from "../../test/fixtures/test-engine.ts";
import { systemClock } from "../core/clock.ts";
import type { GenerateRequest } from "../core/inference.ts";
import { collect, generate, user, waiting } from "./engine.contract.ts";
import { TOKENS_AHEAD_MAX } from "./runner/protocol.ts";

const ANSWER = DEMO_ANSWERS["why is the sky blue?"];
const ENDLESS: Partial<GenerateRequest> = {
  input: user("tell me a story"),
  format: { type: "array", minItems: 400, items: { type: "string", minLength: 100 } },
  maxTokens: 10_000,
};
const DIED = {
  name: "InferenceError",
  code: "RUNNER_DIED",
  message:
    "model runner has unexpectedly stopped, this may be due to resource limitations or an internal error, " +
    "check ollama server logs for details",
};

const newestPid = (tested: TestEngine): number => tested.runnerPids.at(-1) ?? 0;
/** Not at once: the runner that is waited for needs the processor. */
const turn = (): Promise<void> => systemClock.sleep(2, waiting().signal);

/** Runs until something ends it; `signal` is sent to the runner at the first text. */
async function interrupted(
  tested: TestEngine,
  signal: NodeJS.Signals,
  onSent: () => void = () => {},
): Promise<void> {
  let sent = false;
  for await (const event of generate(tested, ENDLESS)) {
    if (event.type !== "text" || sent) continue;
    sent = true;
    process.kill(newestPid(tested), signal);
    onSent();
  }
}

t.test("a runner killed while it answers, while idle, while it loads", async (t) => {
  const clock = new ManualClock();
  const loaded: number[] = [];
  const onLoadedChange = (): void => void loaded.push(tested.engine.status().loaded.length);
  await using tested = await testEngine({}, { clock, onLoadedChange });
  const also = collect(tested, ENDLESS);
  await Promise.all([
    t.rejects(interrupted(tested, "SIGKILL"), DIED, "the request that runs"),
    t.rejects(also, DIED, "and the other one"),
  ]);
  t.same(tested.engine.status().loaded, []);
  t.equal((await collect(tested, {})).text, ANSWER, "the next request starts a new runner");
  process.kill(newestPid(tested), "SIGKILL");
  while (tested.engine.status().loaded.length > 0) await turn();
  t.equal((await collect(tested, {})).text, ANSWER, "killed while idle");
  await tested.engine.unload(tested.model, waiting());
  const before = tested.runnerPids.length;
  const loading = t.rejects(collect(tested, {}), DIED, "killed while it loads");
  while (tested.runnerPids.length === before) await turn();
  process.kill(newestPid(tested), "SIGKILL");
  await loading;
  t.equal((await collect(tested, {})).text, ANSWER);
  t.same(loaded, [1, 0, 1, 0, 1, 0, 1], "each time it was told");
});

t.test("a runner that keeps dying is started with longer and longer pauses", async (t) => {
  const clock = new ManualClock();
  await using tested = await testEngine({}, { clock });
  for (let death = 1; death <= 2; death++) {
    await t.rejects(interrupted(tested, "SIGKILL"), DIED, `death ${death}`);
  }
  const next = collect(tested, {});
  while (clock.sleeping === 0) await turn();
  await clock.advance(399);
  t.equal(tested.runnerPids.length, 2, "not yet");
  await clock.advance(300);
  t.equal((await next).text, ANSWER);
  t.equal(tested.runnerPids.length, 3);
});

t.test("a runner that stops answering is killed", async (t) => {
  const clock = new ManualClock();
  await using tested = await testEngine({ stallTimeoutMs: 5_000 }, { clock });
  let ended = false;
  const stopped = Promise.withResolvers<void>();
  const stalled = t
    .rejects(interrupted(tested, "SIGSTOP", stopped.resolve), { code: "STALLED" })
    .finally(() => {
      ended = true;
    });
  await stopped.promise;
  while (!ended) await clock.advance(1_000);
  await stalled;
  await gone(newestPid(tested));
  t.equal((await collect(tested, {})).text, ANSWER);
});

t.test("one that answered just in time is watched on", async (t) => {
  const clock = new ManualClock();
  await using tested = await testEngine({ stallTimeoutMs: 5_000 }, { clock });
  let texts = 0;
  let ended = false;
  const answering = (async () => {
    for await (const { type } of generate(tested, ENDLESS)) texts += Number(type === "text");
  })();
  const stalled = t.rejects(answering, { code: "STALLED" }).finally(() => {
    ended = true;
  });
  const more = async (): Promise<void> => {
    const before = texts;
    while (texts < before + 10) await systemClock.sleep(5, waiting().signal);
  };
  await more();
  process.kill(newestPid(tested), "SIGSTOP");
  await clock.advance(6_000);
  process.kill(newestPid(tested), "SIGCONT");
  await more();
  await clock.advance(1_000);
  process.kill(newestPid(tested), "SIGSTOP");
  while (!ended) await clock.advance(1_000);
  await stalled;
  await gone(newestPid(tested));
});

t.test("a load that makes no progress is given up", async (t) => {
  const clock = new ManualClock();
  await using tested = await testEngine({ loadTimeoutMs: 60_000 }, { clock });
  const late = t.rejects(collect(tested, {}), {
    code: "LOAD_FAILED",
    message: "timed out waiting for the model to load",
  });
  while (tested.runnerPids.length === 0) await turn();
  process.kill(newestPid(tested), "SIGSTOP");
  while (clock.sleeping === 0) await turn();
  await clock.advance(200_000);
  await late;
  await gone(newestPid(tested));
});

t.test("files that are no model", async (t) => {
  const whole = readFileSync(DEMO_MODEL_PATH);
  const garbled = Buffer.from(whole);
  for (let offset = 8; offset < 2_000; offset += 37) garbled[offset] = ~(garbled[offset] ?? 0);
  const folder = tempFolder(t);
  const rows: readonly [string, Uint8Array, RegExp][] = [
    ["text", Buffer.from("hello, I am no model"), /GGUF/],
    ["truncated", whole.subarray(0, 700_000), /corrupted or incomplete/],
    ["garbled", garbled, /./],
    ["empty", new Uint8Array(), /./],
  ];
  const models = rows.map(([name, bytes]) => {
    const modelPath = path.join(folder, name);
    writeFileSync(modelPath, bytes);
    return demoModel(name, { modelPath });
  });
  await using tested = await testEngine({}, { models: [...models, demoModel()] });
  for (const [index, [name, , message]] of rows.entries()) {
    const model = models[index]?.manifest ?? tested.model;
    await t.rejects(collect({ ...tested, model }, {}), { code: "LOAD_FAILED", message }, name);
  }
  await Promise.all(tested.runnerPids.map(gone));
  t.same(tested.engine.status(), { slots: 4, running: 0, queued: 0, loaded: [] });
  t.equal((await collect({ ...tested, model: demoModel().manifest }, {})).text, ANSWER);
});

t.test("a runner ignores the signals that its node drains on", async (t) => {
  await using tested = await testEngine();
  let text = "";
  for await (const event of generate(tested, {})) {
    if (event.type !== "text") continue;
    process.kill(newestPid(tested), "SIGINT");
    process.kill(newestPid(tested), "SIGTERM");
    text += event.text;
  }
  t.equal(text, ANSWER);
  t.ok(isAlive(newestPid(tested)));
});

t.test("a runner ends with its node, also when that is killed", async (t) => {
  const script = path.join(import.meta.dirname, "../../test/fixtures/engine-host.ts");
  const host = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
  t.teardown(() => host.kill("SIGKILL"));
  const failed = once(host, "close").then(() => {
    throw new Error("the host has ended by itself");
  });
  failed.catch(() => {});
  const [line] = (await Promise.race([once(host.stdout, "data"), failed])) as [Buffer];
  const pid = Number(line.toString());
  t.ok(isAlive(pid));
  host.kill("SIGKILL");
  await gone(pid);
  t.notOk(isAlive(pid));
});

t.test("a slow reader loses nothing, and nothing piles up for it", async (t) => {
  await using tested = await testEngine();
  const request = { ...ENDLESS, maxTokens: 700 };
  const whole = await collect(tested, request);
  const events = generate(tested, request)[Symbol.asyncIterator]();
  let text = "";
  let largest = 0;
  for (let next = await events.next(); !next.done; next = await events.next()) {
    if (next.value.type !== "text") continue;
    if (text === "") await collect(tested, request);
    text += next.value.text;
    largest = Math.max(largest, next.value.tokens);
  }
  t.equal(text, whole.text);
  t.ok(largest > 1, "texts were put together");
  t.ok(largest <= TOKENS_AHEAD_MAX + 1, `${largest} tokens at once`);
});
