import t from "tap";
import { parseOptions } from "./options.ts";

t.test("every option has its place", (t) => {
  const parsed = parseOptions({
    ...{ num_ctx: 1, num_batch: 2, num_gpu: 3, main_gpu: 4, use_mmap: false, num_thread: 5 },
    ...{ num_keep: 6, seed: 7, top_k: 8, top_p: 0.1, min_p: 0.2, typical_p: 0.3 },
    ...{ repeat_last_n: 9, temperature: 0.4, repeat_penalty: 0.5 },
    ...{ presence_penalty: 0.6, frequency_penalty: 0.7, num_predict: 10, stop: ["a"] },
  });
  t.strictSame(parsed, {
    runner: { numCtx: 1, numBatch: 2, numGpu: 3, mainGpu: 4, useMmap: false, numThread: 5 },
    sampling: {
      ...{ numKeep: 6, seed: 7, topK: 8, topP: 0.1, minP: 0.2, typicalP: 0.3 },
      ...{ repeatLastN: 9, temperature: 0.4, repeatPenalty: 0.5 },
      ...{ presencePenalty: 0.6, frequencyPenalty: 0.7 },
    },
    maxTokens: 10,
    stop: ["a"],
  });
  t.end();
});

t.test("what is left out", (t) => {
  const nothing = { runner: {}, sampling: {} };
  t.strictSame(parseOptions({}), nothing);
  t.strictSame(parseOptions({ num_ctx: null, stop: null }), nothing);
  t.strictSame(parseOptions({ draft_num_predict: 4 }), nothing);
  const dead = { numa: true, low_vram: 1, tfs_z: "x", mirostat: [], penalize_newline: {} };
  t.strictSame(parseOptions(dead), nothing);
  t.strictSame(parseOptions(JSON.parse('{"__proto__":{"num_ctx":1},"toString":1}')), nothing);
  t.end();
});

t.test("a float for an integer is cut off", (t) => {
  t.equal(parseOptions({ num_ctx: 64.9 }).runner.numCtx, 64);
  t.equal(parseOptions({ num_predict: -1.5 }).maxTokens, -1);
  t.equal(parseOptions({ seed: 1e12 }).sampling.seed, 1e12);
  t.strictSame(parseOptions({ stop: [] }).stop, []);
  t.end();
});

t.test("a seed may be any of 64 bits", (t) => {
  for (const text of ["9223372036854775807", "18446744073709551615", "-9007199254740993"]) {
    const { seed } = parseOptions(JSON.parse(`{"seed":${text}}`)).sampling;
    t.ok(Number.isSafeInteger(seed), `${text} becomes ${seed}`);
  }
  t.equal(parseOptions({ seed: -7.5 }).sampling.seed, -7);
  t.throws(() => parseOptions({ seed: 1e300 }), {
    message: 'option "seed" must be of type integer',
  });
  t.end();
});

t.test("wrong types have Ollama's words and status", (t) => {
  const rows: readonly (readonly [name: string, value: unknown, type: string])[] = [
    ["num_ctx", "1", "of type integer"],
    ["num_ctx", true, "of type integer"],
    ["num_ctx", 1e300, "of type integer"],
    ["seed", Number.POSITIVE_INFINITY, "of type integer"],
    ["draft_num_predict", "4", "of type integer"],
    ["temperature", "0.8", "of type float32"],
    ["temperature", Number.POSITIVE_INFINITY, "of type float32"],
    ["use_mmap", 1, "of type boolean"],
    ["stop", "x", "of type array"],
    ["stop", {}, "of type array"],
    ["stop", ["a", 1], "of an array of strings"],
  ];
  for (const [name, value, type] of rows) {
    const message = `option "${name}" must be ${type}`;
    t.throws(() => parseOptions({ [name]: value }), { status: 500, message }, message);
  }
  t.end();
});
