import { createHash } from "node:crypto";
import { InferenceError } from "../../core/errors.ts";
import { type MediumKind, mediumKind, problemWithMedia } from "../../core/media.ts";
import { problemWithPicture } from "../../core/picture.ts";
import { problemWithDuration } from "../../core/sound.ts";
import { MEDIA_MARK } from "./media-marks.ts";
import {
  type MultimodalContext,
  type MultimodalResult,
  openMultimodalLibrary,
} from "./multimodal-library.ts";
import { readableSound } from "./readable-sound.ts";
import type { RunnerModel } from "./runner-model.ts";
import { type Turn, Turns } from "./turns.ts";
import { readablePicture } from "./webp.ts";

/** A picture or a sound takes the library seconds, in which it answers nobody: whoever waits is told, lest it takes that for a stall. */
const SILENT_MS = 1_000;
/** What a conversation shows comes again with each of its turns. */
const COUNTS_MAX = 256;
/** Enough to have the sampled token among them where sampling left many over. */
const PROBABILITIES_MAX = 1_000;

/** A picture or a sound that the library can read. */
export interface Medium {
  /** Never a path, which the library would open. */
  readonly dataUrl: string;
  /** What it becomes in the context. */
  readonly tokens: number;
  /** 0 of a picture. */
  readonly seconds: number;
}

export interface MultimodalAsk {
  /** With a mark of mtmd's for each medium. */
  readonly prompt: string;
  readonly media: readonly Medium[];
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
  /**
   * From when the library is asked for something until it has read that. It holds a lock while it reads a prompt, however long
   * the sounds in it: whoever asked for an answer then, or took one back, would stand still with this whole process.
   */
  readonly #turns = new Turns();

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
    context.enableParallelMode({ n_parallel: spec.sequences, n_batch: batchTokens });
    return new MultimodalModel(text, context);
  }

  /** By the base64 of each. Throws INVALID_REQUEST for what is none, or none that this model sees or hears. */
  async media(given: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, Medium>> {
    requirePossible(given, 0);
    const media = new Map<string, Medium>();
    let seconds = 0;
    for (const base64 of new Set(given)) {
      const kind = mediumKind(base64);
      this.#requireSupport(kind);
      const readable =
        kind === "sound"
          ? await readableSound(base64, signal)
          : { dataUrl: readableImage(base64), seconds: 0 };
      seconds += readable.seconds;
      requirePossible(given, seconds);
      const tokens = await this.#countTokens(base64, kind, readable.dataUrl, signal);
      media.set(base64, { ...readable, tokens });
      signal.throwIfAborted();
    }
    return media;
  }

  #requireSupport(kind: MediumKind): void {
    const { vision, audio } = this.#context.getMultimodalSupport();
    if (kind === "picture" ? vision : audio) return;
    const message =
      kind === "picture"
        ? "this model takes sounds, not images"
        : "this model takes images, not sounds";
    throw new InferenceError("INVALID_REQUEST", message);
  }

  /** The library does not survive a prompt whose picture or sound fails here. */
  async #countTokens(
    base64: string,
    kind: MediumKind,
    dataUrl: string,
    signal: AbortSignal,
  ): Promise<number> {
    const hash = createHash("sha256").update(base64).digest("base64");
    const known = this.#counts.get(hash);
    if (known !== undefined) return known;
    using turn = this.#turns.take();
    await turn.come;
    signal.throwIfAborted();
    try {
      const { tokens } = await this.#context.tokenize(MEDIA_MARK, [dataUrl]);
      // Beside its own there is what begins a text.
      const count = tokens.length - this.text.tokenize("").length;
      if (this.#counts.size >= COUNTS_MAX) this.#counts.clear();
      this.#counts.set(hash, count);
      return count;
    } catch (error) {
      const what = kind === "picture" ? "an image" : "a sound";
      const message = `${what} cannot be read: it is damaged, or of a kind that llama.cpp does not know`;
      throw new InferenceError("INVALID_REQUEST", message, { cause: error });
    }
  }

  /** Leaving early, or aborting, cancels it. */
  async *answer(ask: MultimodalAsk, signal: AbortSignal): AsyncGenerator<MultimodalStep> {
    using turn = this.#turns.take();
    if (await isSilent((wake) => void turn.come.then(wake))) yield { kind: "silent" };
    await turn.come;
    if (!signal.aborted) yield* this.#answered(ask, turn, signal);
  }

  async *#answered(
    ask: MultimodalAsk,
    turn: Turn,
    signal: AbortSignal,
  ): AsyncGenerator<MultimodalStep> {
    // No more than the context holds.
    const results: MultimodalResult[] = [];
    let wake = (): void => {};
    const { requestId } = this.#context.queueCompletion(this.#options(ask), (error, result) => {
      turn.end();
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
          ended = isEnd(result);
          isTold = false;
          yield stepOf(result);
        } else if (await isSilent((resolve) => (wake = resolve))) {
          if (!isTold) yield { kind: "silent" };
          isTold = true;
        }
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
      if (!ended) await this.#cancel(requestId, () => results.some(isEnd));
    }
  }

  /** Also when its own prompt has been read: the library cannot leave one half read. */
  async #cancel(requestId: number, hasEnded: () => boolean): Promise<void> {
    using turn = this.#turns.take();
    await turn.come;
    if (!hasEnded()) this.#context.cancelRequest(requestId);
  }

  #options(ask: MultimodalAsk): Readonly<Record<string, unknown>> {
    return {
      ...ask.sampling,
      prompt: ask.prompt,
      ...(ask.media.length > 0 && { media_paths: ask.media.map(({ dataUrl }) => dataUrl) }),
      n_predict: ask.maxTokens,
      ...(ask.grammar !== undefined && { grammar: ask.grammar }),
      // With one at least the library also tells of tokens that have no text yet.
      n_probs: ask.wantsProbabilities ? PROBABILITIES_MAX : 1,
    };
  }
}

/** Waits for `work`, and tells once when that takes long. */
export async function toldWhenLong<T>(work: Promise<T>, tell: () => void): Promise<T> {
  const timer = setTimeout(tell, SILENT_MS);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
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

/** Throws INVALID_REQUEST where these, whose sounds last so long together, are more than one prompt may have. */
export function requirePossible(media: readonly string[], seconds: number): void {
  const problem =
    problemWithMedia(media) ?? (seconds === 0 ? undefined : problemWithDuration(seconds));
  if (problem !== undefined) throw new InferenceError("INVALID_REQUEST", problem);
}

/** As a data URL; the library looks at the bytes, whatever that says of them. */
function readableImage(base64: string): string {
  const problem = problemWithPicture(Buffer.from(base64, "base64"));
  if (problem !== undefined) throw new InferenceError("INVALID_REQUEST", problem);
  return `data:image/png;base64,${readablePicture(base64)}`;
}

function isEnd(result: MultimodalResult): boolean {
  return result.token === undefined;
}

function stepOf(result: MultimodalResult): MultimodalStep {
  if (result.token !== undefined) {
    return { kind: "token", text: result.token, probabilities: result.probs ?? [] };
  }
  if (result.stopped_eos) return { kind: "end", reason: "stop" };
  if (result.stopped_limit || result.context_full) return { kind: "end", reason: "length" };
  throw new InferenceError("RUNNER_DIED", "llama.cpp could not go on with the answer");
}
