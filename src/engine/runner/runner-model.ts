import { stat } from "node:fs/promises";
import {
  GgufInsights,
  getLlama,
  type Llama,
  type LlamaContext,
  LlamaLogLevel,
  type LlamaModel,
  readGgufFileInfo,
  type Token,
} from "node-llama-cpp";
import { goOutputFormatOf } from "../../core/go-output-format.ts";
import { type OutputFormat, outputFormatOf } from "../../core/output-format.ts";
import { withParser } from "../../core/parser-formats.ts";
import { prefersChatTemplate } from "../../core/template-choice.ts";
import type { TemplateModel } from "../chat-template.ts";
import { tellModelLogprobs } from "./model-logprobs.ts";
import type { RunnerNeeds, RunnerSpec } from "./protocol.ts";
import { threadsFor } from "./threads.ts";

const BATCH_TOKENS = 512;
const CONTEXT_LENGTH_MIN = 4;
/** Ollama's: less has no room for pictures. */
const MULTIMODAL_CONTEXT_LENGTH_MIN = 2_048;

/** The prebuilt binary, never a build or a download. */
export function openLlama(
  spec: Pick<RunnerSpec, "numGpu" | "projectorPath">,
  log: (level: "debug" | "warn", text: string) => void,
): Promise<Llama> {
  return getLlama({
    gpu: spec.numGpu === 0 || spec.projectorPath !== undefined ? false : "auto",
    build: "never",
    skipDownload: true,
    progressLogs: false,
    // No limit of its own: each context gets the number of threads that suits its model.
    maxThreads: 0,
    logLevel: LlamaLogLevel.warn,
    logger: (level, text) => {
      const bad = level === LlamaLogLevel.error || level === LlamaLogLevel.fatal;
      log(bad ? "warn" : "debug", text);
    },
  });
}

/** What loading the model will take, from its GGUF header alone. Throws when the file is no GGUF. */
export async function inspectModel(llama: Llama, spec: RunnerSpec): Promise<RunnerNeeds> {
  const info = await readGgufFileInfo(spec.modelPath, {
    sourceType: "filesystem",
    logWarnings: false,
  });
  const insights = await GgufInsights.from(info, llama);
  const trained = insights.trainContextSize ?? spec.contextLengthDefault;
  const wanted = spec.numCtx ?? spec.contextLengthDefault;
  const least =
    spec.projectorPath === undefined ? CONTEXT_LENGTH_MIN : MULTIMODAL_CONTEXT_LENGTH_MIN;
  const contextLength = Math.max(CONTEXT_LENGTH_MIN, Math.min(Math.max(wanted, least), trained));
  const modelGpuLayers = llama.gpu === false ? 0 : (spec.numGpu ?? insights.totalLayers);
  const weights = await insights.estimateModelResourceRequirementsV2({
    gpuLayers: modelGpuLayers,
  });
  const context = await insights.estimateContextResourceRequirementsV2({
    contextSize: contextLength,
    modelGpuLayers,
    sequences: spec.sequences,
    batchSize: batchTokens(spec, contextLength),
  });
  return {
    contextLength,
    ramBytes: Math.ceil(weights.cpuRam + context.cpuRam + (await projectorBytes(spec))),
    vramBytes: Math.ceil(weights.gpuVram + context.gpuVram),
    modelBytes: insights.modelSize,
  };
}

/** Its weights, and as much again for what it computes. */
async function projectorBytes({ projectorPath }: RunnerSpec): Promise<number> {
  return projectorPath === undefined ? 0 : 2 * (await stat(projectorPath)).size;
}

/** A model in memory, with what every job of it needs. */
export class RunnerModel {
  readonly llama: Llama;
  readonly model: LlamaModel;
  readonly spec: RunnerSpec;
  readonly contextLength: number;
  readonly batchTokens: number;
  readonly threads: number;
  readonly template: TemplateModel;
  readonly output: OutputFormat;
  #context: Promise<LlamaContext> | undefined;

  private constructor(llama: Llama, model: LlamaModel, spec: RunnerSpec, needs: RunnerNeeds) {
    this.llama = llama;
    this.model = model;
    this.spec = spec;
    this.contextLength = needs.contextLength;
    this.batchTokens = batchTokens(spec, needs.contextLength);
    this.threads = threadsFor({
      modelBytes: needs.modelBytes,
      cores: llama.cpuMathCores,
      numThread: spec.numThread,
    });
    const jinja = model.fileInfo.metadata.tokenizer.chat_template;
    const isBetter =
      spec.template !== undefined && prefersChatTemplate(jinja, spec.template, spec.renderer);
    this.template = {
      jinja,
      go: isBetter ? undefined : spec.template,
      bosToken: model.tokens.bosString ?? "",
      eosToken: model.tokens.eosString ?? "",
    };
    const { go } = this.template;
    const told = go === undefined ? outputFormatOf(jinja ?? "") : goOutputFormatOf(go);
    this.output = withParser(told, spec.parser);
  }

  static async load(
    llama: Llama,
    spec: RunnerSpec,
    needs: RunnerNeeds,
    onProgress: (fraction: number) => void,
  ): Promise<RunnerModel> {
    const model = await llama.loadModel({
      modelPath: spec.modelPath,
      ...(spec.numGpu !== undefined && { gpuLayers: spec.numGpu }),
      ...(spec.useMmap !== undefined && { useMmap: spec.useMmap }),
      // Whether it fits into main memory was decided before; of a GPU's memory the library knows more.
      ignoreMemorySafetyChecks: llama.gpu === false,
      onLoadProgress: onProgress,
    });
    const loaded = new RunnerModel(llama, model, spec, needs);
    if (!loaded.onlyEmbeds) await loaded.context();
    return loaded;
  }

  /** What turns text into tokens and back, without what answers. */
  static async loadVocabulary(
    llama: Llama,
    spec: RunnerSpec,
    needs: RunnerNeeds,
  ): Promise<RunnerModel> {
    const model = await llama.loadModel({ modelPath: spec.modelPath, vocabOnly: true });
    return new RunnerModel(llama, model, spec, needs);
  }

  /** An encoder such as BERT: it has no next token. */
  get onlyEmbeds(): boolean {
    const { fileInsights } = this.model;
    return fileInsights.hasEncoder && !fileInsights.hasDecoder;
  }

  /** One context for all sequences: what they evaluate at the same time goes into one batch. */
  context(): Promise<LlamaContext> {
    this.#context ??= this.#openContext();
    return this.#context;
  }

  async #openContext(): Promise<LlamaContext> {
    const context = await this.model.createContext({
      sequences: this.spec.sequences,
      contextSize: this.contextLength,
      batchSize: this.batchTokens,
      threads: this.threads,
      ignoreMemorySafetyChecks: this.llama.gpu === false,
      ...(this.spec.adapterPaths.length > 0 && {
        lora: { adapters: this.spec.adapterPaths.map((filePath) => ({ filePath })) },
      }),
    });
    tellModelLogprobs(this.llama, this.model, context);
    return context;
  }

  /** Special tokens in the text are taken as such, since templates write them. */
  tokenize(text: string): Token[] {
    const tokens = this.model.tokenize(text, true);
    const { bos, shouldPrependBosToken } = this.model.tokens;
    if (shouldPrependBosToken && bos !== null && tokens[0] !== bos) tokens.unshift(bos);
    return tokens;
  }
}

function batchTokens(spec: RunnerSpec, contextLength: number): number {
  return Math.min(spec.numBatch ?? BATCH_TOKENS, contextLength * spec.sequences);
}
