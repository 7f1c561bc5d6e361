import t from "tap";
import { SAMPLING_DEFAULTS } from "../core/inference.ts";
import {
  keepAutomatic,
  maxTokensOf,
  runnerOptionsOf,
  samplingOf,
  stopWordsOf,
} from "./parameters.ts";

t.test("the defaults, then the model's parameters, then the request", (t) => {
  t.same(samplingOf({}, {}), SAMPLING_DEFAULTS);
  const parameters = { temperature: 0.1, top_k: "5", repeat_last_n: -1, stop: ["a"], min_p: "x" };
  t.same(samplingOf(parameters, { temperature: 0 }), {
    ...SAMPLING_DEFAULTS,
    temperature: 0,
    topK: 5,
    repeatLastN: -1,
  });
  t.end();
});

t.test(
  "runner options: 0 and -1 mean automatic, except that no layer on the GPU is a wish",
  (t) => {
    const parameters = { num_ctx: 2_048, num_thread: 0, num_gpu: -1, use_mmap: "false" };
    t.same(runnerOptionsOf(parameters, {}), { numCtx: 2_048, useMmap: false });
    t.same(runnerOptionsOf(parameters, { numCtx: 512, numGpu: 0, numThread: 2 }), {
      numCtx: 512,
      numGpu: 0,
      numThread: 2,
      useMmap: false,
    });
    t.end();
  },
);

t.test("what is left open does not reload a model", (t) => {
  const loaded = { numCtx: 512, numThread: 2 };
  t.same(keepAutomatic({}, loaded), { numCtx: 512 });
  t.same(keepAutomatic({ numCtx: 256 }, loaded), { numCtx: 256 });
  t.end();
});

t.test("stop words", (t) => {
  t.same(stopWordsOf({ stop: ["a", "b"] }, undefined), ["a", "b"]);
  t.same(stopWordsOf({ stop: "a" }, undefined), ["a"]);
  t.same(stopWordsOf({ stop: ["a"] }, []), []);
  t.same(stopWordsOf({}, undefined), []);
  t.end();
});

t.test("the number of tokens is always bounded", (t) => {
  const rows: readonly [Record<string, unknown>, number | undefined, number][] = [
    [{}, undefined, 1_000],
    [{}, -1, 1_000],
    [{}, -2, 1_000],
    [{}, 5, 5],
    [{}, 0, 0],
    [{}, 99_999, 1_000],
    [{ num_predict: 7 }, undefined, 7],
    [{ num_predict: 7 }, 8, 8],
  ];
  for (const [parameters, request, expected] of rows) {
    t.equal(
      maxTokensOf(parameters, request, 100),
      expected,
      JSON.stringify({ parameters, request }),
    );
  }
  t.end();
});
