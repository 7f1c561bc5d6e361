import type { Llama, LlamaContext, LlamaModel } from "node-llama-cpp";
import { LOGPROBS_TOP_MAX } from "../../core/inference.ts";

/** The parts of the addon that node-llama-cpp 3.22 has no public name for. */
interface Addon {
  readonly _bindings: { readonly AddonSampler: new (model: unknown) => Sampler };
}
interface Sampler {
  applyConfig(config: { readonly temperature: number }): void;
}
interface Decoded {
  sampleToken(at: number, sampler: Sampler, ...wanted: readonly unknown[]): Promise<unknown>;
}

/** Tokens, each followed by its number, the highest number first. */
export type Pairs = readonly number[];

/**
 * The library tells the probabilities that its samplers have left over: with Ollama's defaults that is 1 for most tokens. Clients
 * are told those of the model itself, whatever is then done with them. So where the library is asked for probabilities it now
 * gives logarithms of the model's: the token is sampled as it is when nobody asks for them, and then a sampler that changes nothing
 * looks at the same logits. Where it is asked for its confidence it gives what it gave for probabilities, as pairs.
 */
export function tellModelLogprobs(llama: Llama, model: LlamaModel, context: LlamaContext): void {
  const { AddonSampler } = (llama as unknown as Addon)._bindings;
  const { _model } = model as unknown as { readonly _model: unknown };
  const { _ctx: decoded } = context as unknown as { readonly _ctx: Decoded };
  const sample = decoded.sampleToken.bind(decoded);
  // Each holds all candidates, so no two sequences may use one at a time.
  const idle: Sampler[] = [];
  const plainSampler = (): Sampler => {
    const sampler = new AddonSampler(_model);
    sampler.applyConfig({ temperature: 0 });
    return sampler;
  };
  const logprobs = async (at: number, tokens: readonly number[]): Promise<Pairs> => {
    const sampler = idle.pop() ?? plainSampler();
    const wanted = [tokens, false, false, false, LOGPROBS_TOP_MAX];
    const looked = await sample(at, sampler, false, false, wanted, true);
    idle.push(sampler);
    const [, , , logits, weight] = looked as [unknown, unknown, unknown, Pairs, number];
    return logprobsOf(logits, weight);
  };
  const sampleToken: Decoded["sampleToken"] = async (at, sampler, ...wanted) => {
    const [wantsLogprobs, wantsCandidates] = wanted;
    if (!wantsLogprobs && !wantsCandidates) return await sample(at, sampler, ...wanted);
    const sampled = wantsCandidates
      ? await sample(at, sampler, true, false)
      : [await sample(at, sampler)];
    const [token, candidates = []] = sampled as [number, Pairs?];
    if (token < 0 || !wantsLogprobs) return [token, undefined, candidates];
    const others = candidates.filter((_, index) => index % 2 === 0);
    return [token, await logprobs(at, [token, ...others]), candidates];
  };
  // The addon's own cannot be assigned to.
  Object.defineProperty(decoded, "sampleToken", { value: sampleToken });
}

/**
 * Of tokens and their logits in turn, the highest first: softmax's logarithm. The weight is the sum, over all tokens, of e to the
 * logit's distance from the highest.
 */
export function logprobsOf(logits: Pairs, weight: number): Pairs {
  const highest = logits[1] ?? 0;
  return logits.map((value, index) =>
    index % 2 === 0 ? value : value - highest - Math.log(weight),
  );
}
