import { createHash } from "node:crypto";
import { InferenceError, messageOf } from "../../core/errors.ts";
import { problemWithPicture, problemWithPictures } from "../../core/picture.ts";
import { MEDIA_MARK } from "./media-marks.ts";
import {
  type MultimodalContext,
  type MultimodalResult,
  openMultimodalLibrary,
} from "./multimodal-library.ts";
import type { RunnerModel } from "./runner-model.ts";
import { readablePicture } from "./webp.ts";

/** A picture takes the library seconds, in which it answers nobody: whoever waits is told, lest it takes that for a stall. */
const SILENT_MS = 1_000;
/** Pictures of a conversation come again with each of its turns. */
const COUNTS_MAX = 256;
/** Enough to have the sampled token among them where sampling left many over. */
const PROBABILITIES_MAX = 1_000;

export interface MultimodalAsk {
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

export type MultimodalStep =
  | {
      readonly kind: "token";
      /** Whole code points: what a token leaves unfinished comes with a later one. */
      readonly text: string;
      /** From the most likely one. */
      readonly probabilities: readonly { readonly tok: number; readonly prob: number }[];
    }
  /** Once in each silence. */
  | { readonly kind: "silent" }
  | { readonly kind: "end"; readonly reason: "stop" | "length" };

/**
 * A language model and its projector in memory, which llama.cpp's mtmd runs. The text model that node-llama-cpp has of it is
 * its vocabulary alone: for templates, tokens and grammars.
 */
export class MultimodalModel {
  readonly text: RunnerModel;
  readonly #context: MultimodalContext;
  readonly #counts = new Map<string, number>();

  private constructor(text: RunnerModel, context: MultimodalContext) {
    this.text = text;
    this.#context = context;
  }

  static load(
    text: RunnerModel,
    projectorPath: string,
    onError: (line: string) => void,
  ): MultimodalModel {
    const { LlamaContext } = openMultimodalLibrary();
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
    return new MultimodalModel(text, context);
  }

  /** How many tokens each becomes. Throws INVALID_REQUEST for what is no picture. */
  async imageTokens(images: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const problem = problemWithPictures(images) ?? images.map(problemWithPicture).find(Boolean);
    if (problem !== undefined) throw new InferenceError("INVALID_REQUEST", problem);
    const counts = new Map<string, number>();
    for (const image of images) {
      if (!counts.has(image)) counts.set(image, await this.#countTokens(image));
    }
    return counts;
  }

  /** The library does not survive a prompt whose picture fails here. */
  async #countTokens(image: string): Promise<number> {
    const hash = createHash("sha256").update(image).digest("base64");
    const known = this.#counts.get(hash);
    if (known !== undefined) return known;
    try {
      const { tokens } = await this.#context.tokenize(MEDIA_MARK, [
        dataUrl(readablePicture(image)),
      ]);
      // Beside the picture's own there is what begins a text.
      const count = tokens.length - this.text.tokenize("").length;
      if (this.#counts.size >= COUNTS_MAX) this.#counts.clear();
      this.#counts.set(hash, count);
      return count;
    } catch (error) {
      if (error instanceof InferenceError) throw error;
      const message = `an image cannot be read: ${messageOf(error)}`;
      throw new InferenceError("INVALID_REQUEST", message, { cause: error });
    }
  }

  /** Leaving early, or aborting, cancels it. */
  async *answer(ask: MultimodalAsk, signal: AbortSignal): AsyncGenerator<MultimodalStep> {
    // No more than the context holds.
    const results: MultimodalResult[] = [];
    let wake = (): void => {};
    const { requestId } = this.#context.queueCompletion(this.#options(ask), (error, result) => {
      results.push(error ? {} : result);
      wake();
    });
    const onAbort = (): void => wake();
    signal.addEventListener("abort", onAbort);
    let ended = false;
    let isTold = false;
    try {
      while (!ended && !signal.aborted) {
        const result = results.shift();
        if (result) {
          ended = result.token === undefined;
          isTold = false;
          yield stepOf(result);
        } else if (await isSilent((resolve) => (wake = resolve))) {
          if (!isTold) yield { kind: "silent" };
          isTold = true;
        }
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
      if (!ended) this.#context.cancelRequest(requestId);
    }
  }

  #options(ask: MultimodalAsk): Readonly<Record<string, unknown>> {
    return {
      ...ask.sampling,
      prompt: ask.prompt,
      ...(ask.images.length > 0 && { media_paths: ask.images.map(readablePicture).map(dataUrl) }),
      n_predict: ask.maxTokens,
      ...(ask.grammar !== undefined && { grammar: ask.grammar }),
      // With one at least the library also tells of tokens that have no text yet.
      n_probs: ask.wantsProbabilities ? PROBABILITIES_MAX : 1,
    };
  }
}

/** Waits to be woken; true when that takes long. */
async function isSilent(onWake: (wake: () => void) => void): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(true), SILENT_MS);
  onWake(() => resolve(false));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

/** Never a path, which the library would open. */
function dataUrl(base64: string): string {
  return `data:image/png;base64,${base64}`;
}

function stepOf(result: MultimodalResult): MultimodalStep {
  if (result.token !== undefined) {
    return { kind: "token", text: result.token, probabilities: result.probs ?? [] };
  }
  if (result.stopped_eos) return { kind: "end", reason: "stop" };
  if (result.stopped_limit || result.context_full) return { kind: "end", reason: "length" };
  throw new InferenceError("RUNNER_DIED", "llama.cpp could not go on with the answer");
}
