import type { LlamaEmbeddingContext, Token } from "node-llama-cpp";
import { InferenceError } from "../../core/errors.ts";
import type { EmbedJob } from "./protocol.ts";
import type { RunnerModel } from "./runner-model.ts";

/** What the library adds around an input: a first and a last token. */
const ADDED_TOKENS_MAX = 2;

/** Embeds with a context of its own, made with the first request: generation and embedding need different ones. */
export class Embedder {
  readonly #runner: RunnerModel;
  #context: Promise<LlamaEmbeddingContext> | undefined;

  constructor(runner: RunnerModel) {
    this.#runner = runner;
  }

  /** Yields a vector for each input, in order; returns the number of tokens. */
  async run(
    job: EmbedJob,
    onVector: (vector: Float32Array) => void,
    signal: AbortSignal,
  ): Promise<number> {
    const inputs = job.inputs.map((input) => this.#tokens(input, job.truncate));
    this.#context ??= this.#open();
    const context = await this.#context;
    let promptTokens = 0;
    for (const tokens of inputs) {
      if (signal.aborted) break;
      promptTokens += context.calculateInputLength(tokens);
      const { vector } = await context.getEmbeddingFor(tokens);
      if (!vector.every(Number.isFinite)) {
        throw new InferenceError("INVALID_REQUEST", "embedding contains NaN or Inf values");
      }
      onVector(Float32Array.from(vector));
    }
    return promptTokens;
  }

  #tokens(input: string, truncate: boolean): Token[] {
    const { model, contextLength } = this.#runner;
    const tokens = model.tokenize(input, false);
    const tokensMax = contextLength - 1 - ADDED_TOKENS_MAX;
    if (tokens.length > tokensMax && !truncate) {
      throw new InferenceError("INVALID_REQUEST", "the input length exceeds the context length");
    }
    const { bos, eos } = model.tokens;
    const filler = bos ?? eos;
    if (tokens.length === 0 && filler !== null) return [filler];
    return tokens.slice(0, tokensMax);
  }

  async #open(): Promise<LlamaEmbeddingContext> {
    const { model, llama, contextLength, threads } = this.#runner;
    const { fileInsights } = model;
    if (fileInsights.hasEncoder && fileInsights.hasDecoder) {
      throw new InferenceError("UNSUPPORTED", "this model does not support embeddings");
    }
    return model.createEmbeddingContext({
      contextSize: contextLength,
      // An encoder sees its whole input at once.
      batchSize: contextLength,
      threads,
      ignoreMemorySafetyChecks: llama.gpu === false,
    });
  }
}
