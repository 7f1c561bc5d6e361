import { Tokenizer } from "@huggingface/tokenizers";
import t from "tap";
import { importGguf } from "../../src/blobs/import-gguf.ts";
import { ModelStore } from "../../src/blobs/model-store.ts";
import { systemClock } from "../../src/core/clock.ts";
import { silentLog } from "../../src/core/log.ts";
import { seededRandom } from "../../src/core/random.ts";
import { collect, waiting } from "../../src/engine/engine.contract.ts";
import { LlamaEngine } from "../../src/engine/llama-engine.ts";
import { FAMILIES, randomCheckpoint } from "../fixtures/random-checkpoint.ts";
import { referenceLogprobs } from "../fixtures/reference-model.ts";
import { tempFolder } from "../fixtures/temp-folder.ts";
import {
  byteFallbackTokenizer,
  byteLevelTokenizer,
  type Cut,
  TEXTS,
} from "../fixtures/tokenizers.ts";

// Small models of random weights in the form that transformers save: llama.cpp loads what they are converted to, and its
// tokens are those of Hugging Face's own tokenizers, and it computes what transformers do.

const PROMPT = "The cat isn't 12 toys";
/** Of Phi 3's factors, those for texts within the length that it began with. */
const RUNNER = { numCtx: 256 };
/** llama.cpp multiplies in F16; weights in a wrong place make differences of 0.5 and more. */
const TOLERANCE = 0.05;

/** Each way of cutting texts, with one of the architectures. */
const ROWS: readonly (readonly [architecture: string, cut: Cut | "byte fallback"])[] = [
  ["LlamaForCausalLM", "llama-bpe"],
  ["MistralForCausalLM", "tekken"],
  ["MixtralForCausalLM", "byte fallback"],
  ["Qwen2ForCausalLM", "qwen2"],
  ["Qwen3ForCausalLM", "qwen2"],
  ["Qwen3MoeForCausalLM", "smollm"],
  ["GemmaForCausalLM", "byte fallback"],
  ["Gemma2ForCausalLM", "byte fallback"],
  ["Gemma3ForCausalLM", "byte fallback"],
  ["Phi3ForCausalLM", "gpt-4o"],
  ["LlamaForCausalLM", "gpt-2"],
];

t.test("llama.cpp runs what is converted, with the tokens of its maker", async (t) => {
  t.same(new Set(ROWS.map(([name]) => name)), new Set(Object.keys(FAMILIES)), "all are tried");
  const deps = { clock: systemClock, log: silentLog };
  await using store = await ModelStore.open({ dir: tempFolder(t) }, deps);
  const o = waiting();
  const made = [];
  for (const [i, [architecture, cut]] of ROWS.entries()) {
    const folder = tempFolder(t);
    const texts = cut === "byte fallback" ? byteFallbackTokenizer() : byteLevelTokenizer(cut);
    const weights = randomCheckpoint(folder, architecture, texts);
    const record = await importGguf(store, { file: folder, name: `m${i}` }, o);
    t.match(record.details, { quantizationLevel: "F16", contextLength: 512 });
    made.push({ architecture, cut, texts, weights, model: record.manifest });
  }
  await using engine = await LlamaEngine.open(
    {},
    { models: store, clock: systemClock, random: seededRandom(1), log: silentLog },
  );
  for (const { architecture, cut, texts, weights, model } of made) {
    const tokenizer = new Tokenizer(
      texts["tokenizer.json"] ?? {},
      texts["tokenizer_config.json"] ?? {},
    );
    for (const text of TEXTS) {
      const of = { kind: "text", text, addSpecial: false, parseSpecial: false } as const;
      const { tokens } = await engine.tokens({ requestId: "t", model, runner: RUNNER, of }, o);
      const { ids } = tokenizer.encode(text, { add_special_tokens: false });
      t.same(tokens, ids, `${architecture} ${cut}: ${JSON.stringify(text)}`);
    }
    const of = { kind: "text", text: PROMPT, addSpecial: true, parseSpecial: true } as const;
    const { tokens } = await engine.tokens({ requestId: "t", model, runner: RUNNER, of }, o);
    const expected = referenceLogprobs(architecture, weights, tokens);
    const { events } = await collect(
      { engine, model },
      {
        input: { kind: "prompt", prompt: PROMPT },
        runner: RUNNER,
        ...{ sampling: { temperature: 0 }, maxTokens: 1, logprobs: { top: 20 } },
      },
    );
    const [first] = events.flatMap((event) =>
      event.type === "text" ? (event.logprobs ?? []) : [],
    );
    const highest = [...expected].sort((a, b) => b - a).slice(0, 20);
    const differences = (first?.top ?? []).map(({ logprob }, i) =>
      Math.abs(logprob - (highest[i] ?? 0)),
    );
    t.equal(differences.length, 20, `${architecture} speaks`);
    t.ok(Math.max(...differences) < TOLERANCE, `${architecture}: ${Math.max(...differences)}`);
  }
});
