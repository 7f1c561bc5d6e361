import type { LlamaModel, Token } from "node-llama-cpp";
import type { Logprob, TokenLogprob } from "../../core/inference.ts";

/** The sampled token and the `top` most likely ones, of probabilities that are sorted from the highest. */
export function logprobOf(
  token: Token,
  probabilities: ReadonlyMap<Token, number>,
  top: number,
  model: Pick<LlamaModel, "detokenize">,
): Logprob {
  const entry = (of: Token, probability: number): TokenLogprob => {
    const text = model.detokenize([of], true);
    // JSON has no infinity.
    const logprob = Math.log(Math.max(probability, Number.MIN_VALUE));
    return { token: text, logprob, bytes: [...Buffer.from(text)] };
  };
  const sampled = entry(token, probabilities.get(token) ?? 0);
  if (top === 0) return sampled;
  const likeliest: TokenLogprob[] = [];
  for (const [of, probability] of probabilities) {
    if (likeliest.length === top) break;
    likeliest.push(entry(of, probability));
  }
  return { ...sampled, top: likeliest };
}
