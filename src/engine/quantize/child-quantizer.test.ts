import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import t, { type Test } from "tap";
import { DEMO_MODEL_PATH } from "../../../test/fixtures/demo-model.ts";
import { recordingLog } from "../../../test/fixtures/recording-log.ts";
import { tempFolder } from "../../../test/fixtures/temp-folder.ts";
import { systemClock } from "../../core/clock.ts";
import { silentLog } from "../../core/log.ts";
import type { QuantizeJob } from "../../core/quantization.ts";
import { ChildQuantizer } from "./child-quantizer.ts";

const { signal } = new AbortController();
const VALUES = 984_192;

function jobIn(t: Test, more: Partial<QuantizeJob> = {}): QuantizeJob {
  const dir = tempFolder(t, { "out.gguf": "" });
  const outputPath = path.join(dir, "out.gguf");
  return { inputPath: DEMO_MODEL_PATH, outputPath, quantization: "Q8_0", ...more };
}

async function all(numbers: AsyncIterable<number>): Promise<number[]> {
  const read: number[] = [];
  for await (const number of numbers) read.push(number);
  return read;
}

/** Kills each process that it is told of, at once. */
function killingLog() {
  const { lines, ...log } = recordingLog();
  return {
    lines,
    ...log,
    child: () => log,
    info: ({ quantizerPid }: Readonly<Record<string, unknown>>) =>
      process.kill(Number(quantizerPid), "SIGKILL"),
  };
}

t.test("every type that clients may ask for", async (t) => {
  const quantizer = new ChildQuantizer({ clock: systemClock, log: silentLog });
  for (const [quantization, sizeBytes] of [
    ["F32", 3_962_464],
    ["BF16", 1_996_384],
    ["Q8_0", 1_074_784],
    ["Q4_K_S", 759_392],
    ["Q4_K_M", 804_448],
  ] as const) {
    const job = jobIn(t, { quantization });
    const values = await all(quantizer.quantize(job, { signal }));
    t.equal(values[0], 0);
    t.equal(values.at(-1), VALUES);
    t.same(
      [...values].sort((a, b) => a - b),
      values,
      "never less than before",
    );
    t.equal(readFileSync(job.outputPath).length, sizeBytes, quantization);
  }
});

t.test("one at a time: who waits knows at once, and may leave", async (t) => {
  const log = recordingLog();
  const quantizer = new ChildQuantizer({ clock: systemClock, log });
  const jobs = [1, 2, 3].map(() => jobIn(t));
  const leaving = new AbortController();
  const [first, second, third] = jobs.map((job, index) =>
    quantizer
      .quantize(job, { signal: index === 1 ? leaving.signal : signal })
      [Symbol.asyncIterator](),
  );
  if (!first || !second || !third) throw new Error("three were begun");
  t.same(await first.next(), { value: 0, done: false });
  t.same(await second.next(), { value: 0, done: false });
  t.same(await third.next(), { value: 0, done: false });
  const pids = () => log.lines.filter(({ text }) => text === "quantizing").length;
  t.equal(pids(), 1);
  const left = second.next();
  leaving.abort();
  await t.rejects(left, { name: "AbortError" });
  t.equal(pids(), 1, "the third still waits for the first");
  await first.return?.();
  const rest: number[] = [];
  for (let next = await third.next(); !next.done; next = await third.next()) rest.push(next.value);
  t.equal(rest.at(-1), VALUES);
  t.equal(pids(), 2);
});

t.test("a process that is killed is a clear failure", async (t) => {
  const log = killingLog();
  const quantizing = all(
    new ChildQuantizer({ clock: systemClock, log }).quantize(jobIn(t), { signal }),
  );
  await t.rejects(quantizing, {
    code: "QUANTIZATION_FAILED",
    message: /^the quantizer has unexpectedly stopped/,
    details: { signal: "SIGKILL" },
  });
  t.match(log.lines, [{ level: "warn", text: "quantizing failed", fields: { signal: "SIGKILL" } }]);
});

t.test("who aborts or leaves waits for the process's end", async (t) => {
  const log = recordingLog();
  const quantizer = new ChildQuantizer({ clock: systemClock, log });
  const aborting = new AbortController();
  const numbers = quantizer.quantize(jobIn(t), { signal: aborting.signal });
  await t.rejects(
    (async () => {
      for await (const _ of numbers) aborting.abort();
    })(),
    { name: "AbortError" },
  );
  for await (const _ of quantizer.quantize(jobIn(t), { signal })) break;
  const pids = log.lines.map(({ fields }) => Number(fields["quantizerPid"]));
  t.equal(pids.length, 2);
  for (const pid of pids) t.throws(() => process.kill(pid, 0), { code: "ESRCH" });
  const aborted = AbortSignal.abort();
  await t.rejects(all(quantizer.quantize(jobIn(t), { signal: aborted })), { name: "AbortError" });
});

t.test("files that llama.cpp refuses", async (t) => {
  const quantizer = new ChildQuantizer({ clock: systemClock, log: silentLog });
  const dir = tempFolder(t);
  const inputPath = path.join(dir, "in.gguf");
  const whole = readFileSync(DEMO_MODEL_PATH);
  for (const [what, bytes] of [
    ["junk", Buffer.from("no model")],
    ["empty", Buffer.alloc(0)],
    ["cut short", whole.subarray(0, whole.length - 100_000)],
  ] as const) {
    writeFileSync(inputPath, bytes);
    const failing = all(quantizer.quantize(jobIn(t, { inputPath }), { signal }));
    const error = await failing.catch((error: unknown) => error);
    t.match(
      error,
      { code: "QUANTIZATION_FAILED", message: /^the model cannot be quantized: / },
      what,
    );
    t.notMatch(String(error), dir, "no path of this machine is told");
  }
  copyFileSync(DEMO_MODEL_PATH, inputPath);
  const outputPath = path.join(dir, "missing", "out.gguf");
  const failing = all(quantizer.quantize(jobIn(t, { inputPath, outputPath }), { signal }));
  await t.rejects(failing, { code: "QUANTIZATION_FAILED" });
});
