import type { LlamaModel, Token } from "node-llama-cpp";
import type { Logprob, TokenLogprob } from "../../core/inference.ts";
import { tokenBytes } from "./token-bytes.ts";

/** JSON has no infinity: the smallest logarithm of a probability that there is. */
const LOGPROB_MIN = Math.log(Number.MIN_VALUE);

/** The sampled token and the `top` most likely ones, of log probabilities that are sorted from the highest. */
export function logprobOf(
  token: Token,
  logprobs: ReadonlyMap<Token, number>,
  top: number,
  model: Pick<LlamaModel, "detokenize" | "fileInfo">,
): Logprob {
  const { tokens, model: tokenizer } = model.fileInfo.metadata.tokenizer.ggml;
  const entry = (of: Token, logprob = LOGPROB_MIN): TokenLogprob => {
    const text = model.detokenize([of], true);
    const bytes = tokenBytes(text, { piece: tokens[of] ?? "", tokenizer });
    return { token: text, logprob: Math.max(logprob, LOGPROB_MIN), bytes };
  };
  const sampled = entry(token, logprobs.get(token));
  if (top === 0) return sampled;
  const likeliest = [...logprobs].slice(0, top);
  return { ...sampled, top: likeliest.map(([of, logprob]) => entry(of, logprob)) };
}
