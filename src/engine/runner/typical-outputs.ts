import type { LlamaContextSequence, SequenceEvaluateOptions, Token } from "node-llama-cpp";
import type { Sampling } from "../../core/inference.ts";
import { seededRandom } from "../../core/random.ts";
import { accept, type GrammarState } from "./grammar.ts";
import type { Pairs } from "./model-logprobs.ts";
import type { RunnerModel } from "./runner-model.ts";
import { drawTypical } from "./typical-sampling.ts";

interface Ask {
  readonly runner: Pick<RunnerModel, "llama" | "model">;
  readonly sampling: Required<Sampling>;
  readonly options: SequenceEvaluateOptions;
  /** What the next token must follow. */
  readonly grammar: () => GrammarState | undefined;
  readonly wantsLogprobs: boolean;
}

export interface Output {
  readonly token: Token;
  /** Their logarithms: `tellModelLogprobs`. */
  readonly probabilities?: ReadonlyMap<Token, number>;
}

/**
 * node-llama-cpp has no typical sampling. So its samplers only lay the candidates out (penalties, grammar, top_k), and the token
 * that they take is replaced by one that is drawn here.
 */
export async function* typicalOutputs(
  sequence: LlamaContextSequence,
  tokens: Token[],
  { runner, sampling, options, grammar, wantsLogprobs }: Ask,
): AsyncGenerator<Output, void> {
  const random = seededRandom(sampling.seed);
  let state: GrammarState | undefined;
  const metadata = { confidence: true, probabilities: wantsLogprobs as true } as const;
  const outputs = sequence.evaluateWithMetadata(tokens, metadata, {
    ...options,
    ...{ temperature: 1, topP: 1, minP: 0, yieldEogToken: true },
    grammarEvaluationState: () => {
      state = grammar();
      // The library moves it on by the token that will not be used.
      return state?.clone();
    },
  });
  try {
    for (let next = await outputs.next(); !next.done; ) {
      const { token: sampled, confidence, probabilities } = next.value;
      const candidates = candidatesOf(confidence as unknown as Pairs);
      const token = drawTypical(candidates, sampling, random) ?? sampled;
      if (runner.model.isEogToken(token)) return;
      if (state) accept(runner.llama, state, token);
      yield { token, ...(wantsLogprobs && { probabilities }) };
      next = await outputs.next(token);
    }
  } finally {
    await outputs.return();
  }
}

function* candidatesOf(pairs: Pairs): Generator<{ token: Token; probability: number }> {
  for (let at = 0; at < pairs.length; at += 2) {
    yield { token: pairs[at] as Token, probability: pairs[at + 1] ?? 0 };
  }
}
