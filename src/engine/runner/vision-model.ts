import { InferenceError, messageOf } from "../../core/errors.ts";
import { problemWithPicture, problemWithPictures } from "../../core/picture.ts";
import { MEDIA_MARK } from "./image-marks.ts";
import type { RunnerModel } from "./runner-model.ts";
import { openVisionLibrary, type VisionContext, type VisionResult } from "./vision-library.ts";

/** Enough to have the sampled token among them where sampling left many over. */
const PROBABILITIES_MAX = 1_000;

export interface VisionAsk {
  /** With a mark of mtmd's for each picture. */
  readonly prompt: string;
  /** Base64. */
  readonly images: readonly string[];
  readonly maxTokens: number;
  /** GBNF. */
  readonly grammar: string | undefined;
  readonly wantsProbabilities: boolean;
  /** In the library's names. */
  readonly sampling: Readonly<Record<string, number>>;
}

export type VisionStep =
  | {
      readonly kind: "token";
      /** Whole code points: what a token leaves unfinished comes with a later one. */
      readonly text: string;
      /** From the most likely one. */
      readonly probabilities: readonly { readonly tok: number; readonly prob: number }[];
    }
  | { readonly kind: "end"; readonly reason: "stop" | "length" };

/**
 * A language model and its projector in memory, which llama.cpp's mtmd runs. The text model that node-llama-cpp has of it is
 * its vocabulary alone: for templates, tokens and grammars.
 */
export class VisionModel {
  readonly text: RunnerModel;
  readonly #context: VisionContext;

  private constructor(text: RunnerModel, context: VisionContext) {
    this.text = text;
    this.#context = context;
  }

  static load(
    text: RunnerModel,
    projectorPath: string,
    onError: (line: string) => void,
  ): VisionModel {
    const { LlamaContext } = openVisionLibrary();
    // Its other lines have prompts in them.
    LlamaContext.toggleNativeLog(true, (level, line) => {
      if (level === "error") onError(line);
    });
    const { spec, batchTokens } = text;
    const context = new LlamaContext({
      model: spec.modelPath,
      n_ctx: text.contextLength * spec.sequences,
      n_parallel: spec.sequences,
      n_batch: batchTokens,
      n_ubatch: batchTokens,
      n_threads: text.threads,
      n_gpu_layers: 0,
      kv_unified: false,
      ...(spec.useMmap !== undefined && { use_mmap: spec.useMmap }),
      ...(spec.adapterPaths.length > 0 && {
        lora_list: spec.adapterPaths.map((path) => ({ path, scaled: 1 })),
      }),
    });
    context.initMultimodal({ path: projectorPath, use_gpu: false });
    if (!context.getMultimodalSupport().vision) {
      throw new Error("the projector of this model is for sound: images need one for vision");
    }
    context.enableParallelMode({ n_parallel: spec.sequences, n_batch: batchTokens });
    return new VisionModel(text, context);
  }

  /** How many tokens each becomes. Throws INVALID_REQUEST for what is no picture. */
  async imageTokens(images: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const problem = problemWithPictures(images) ?? images.map(problemWithPicture).find(Boolean);
    if (problem !== undefined) throw new InferenceError("INVALID_REQUEST", problem);
    const counts = new Map<string, number>();
    const without = await this.countTokens("", []);
    for (const image of images) {
      if (counts.has(image)) continue;
      counts.set(image, (await this.countTokens(MEDIA_MARK, [image])) - without);
    }
    return counts;
  }

  /** Of a whole prompt. The library does not survive a prompt that fails here. */
  async countTokens(prompt: string, images: readonly string[]): Promise<number> {
    try {
      const { tokens } = await this.#context.tokenize(prompt, images.map(dataUrl));
      return tokens.length;
    } catch (error) {
      const message = `an image cannot be read: ${messageOf(error)}`;
      throw new InferenceError("INVALID_REQUEST", message, { cause: error });
    }
  }

  /** Leaving early, or aborting, cancels it. */
  async *answer(ask: VisionAsk, signal: AbortSignal): AsyncGenerator<VisionStep> {
    // No more than the context holds.
    const results: VisionResult[] = [];
    let wake = (): void => {};
    const { requestId } = this.#context.queueCompletion(this.#options(ask), (error, result) => {
      results.push(error ? {} : result);
      wake();
    });
    const onAbort = (): void => wake();
    signal.addEventListener("abort", onAbort);
    let ended = false;
    try {
      while (!ended && !signal.aborted) {
        const result = results.shift();
        if (result) {
          ended = result.token === undefined;
          yield stepOf(result);
        } else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
      if (!ended) this.#context.cancelRequest(requestId);
    }
  }

  #options(ask: VisionAsk): Readonly<Record<string, unknown>> {
    return {
      ...ask.sampling,
      prompt: ask.prompt,
      ...(ask.images.length > 0 && { media_paths: ask.images.map(dataUrl) }),
      n_predict: ask.maxTokens,
      ...(ask.grammar !== undefined && { grammar: ask.grammar }),
      // With one at least the library also tells of tokens that have no text yet.
      n_probs: ask.wantsProbabilities ? PROBABILITIES_MAX : 1,
    };
  }
}

/** Never a path, which the library would open. */
function dataUrl(base64: string): string {
  return `data:image/png;base64,${base64}`;
}

function stepOf(result: VisionResult): VisionStep {
  if (result.token !== undefined) {
    return { kind: "token", text: result.token, probabilities: result.probs ?? [] };
  }
  if (result.stopped_eos) return { kind: "end", reason: "stop" };
  if (result.stopped_limit || result.context_full) return { kind: "end", reason: "length" };
  throw new InferenceError("RUNNER_DIED", "llama.cpp could not go on with the answer");
}
