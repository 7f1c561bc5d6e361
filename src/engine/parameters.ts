import {
  type GenerateRequest,
  type RunnerOptions,
  SAMPLING_DEFAULTS,
  type Sampling,
} from "../core/inference.ts";

/** A model's PARAMETER layer: Ollama's option names. */
type Parameters = Readonly<Record<string, unknown>>;

/** Ollama's names of what a request may set; `satisfies` keeps both lists complete. */
const SAMPLING_NAMES = {
  seed: "seed",
  temperature: "temperature",
  topK: "top_k",
  topP: "top_p",
  minP: "min_p",
  typicalP: "typical_p",
  repeatLastN: "repeat_last_n",
  repeatPenalty: "repeat_penalty",
  presencePenalty: "presence_penalty",
  frequencyPenalty: "frequency_penalty",
  numKeep: "num_keep",
} as const satisfies Record<keyof Sampling, string>;

/** The defaults, then the model's PARAMETERs, then the request: the later one wins. */
export function samplingOf(parameters: Parameters, request: Sampling): Required<Sampling> {
  const value = (key: keyof Sampling): number =>
    request[key] ?? numberIn(parameters, SAMPLING_NAMES[key]) ?? SAMPLING_DEFAULTS[key];
  return {
    seed: value("seed"),
    temperature: value("temperature"),
    topK: value("topK"),
    topP: value("topP"),
    minP: value("minP"),
    typicalP: value("typicalP"),
    repeatLastN: value("repeatLastN"),
    repeatPenalty: value("repeatPenalty"),
    presencePenalty: value("presencePenalty"),
    frequencyPenalty: value("frequencyPenalty"),
    numKeep: value("numKeep"),
  };
}

/** What of the request and the PARAMETERs decides about the runner; absent means automatic. */
export function runnerOptionsOf(parameters: Parameters, request: RunnerOptions): RunnerOptions {
  const numCtx = request.numCtx ?? numberIn(parameters, "num_ctx");
  const numBatch = request.numBatch ?? numberIn(parameters, "num_batch");
  const numGpu = request.numGpu ?? numberIn(parameters, "num_gpu");
  const mainGpu = request.mainGpu ?? numberIn(parameters, "main_gpu");
  const numThread = request.numThread ?? numberIn(parameters, "num_thread");
  const useMmap = request.useMmap ?? booleanIn(parameters, "use_mmap");
  return {
    ...(numCtx !== undefined && numCtx > 0 && { numCtx }),
    ...(numBatch !== undefined && numBatch > 0 && { numBatch }),
    ...(numGpu !== undefined && numGpu >= 0 && { numGpu }),
    ...(mainGpu !== undefined && { mainGpu }),
    ...(numThread !== undefined && numThread > 0 && { numThread }),
    ...(useMmap !== undefined && { useMmap }),
  };
}

/**
 * What a request leaves open and would be chosen automatically stays as it is loaded: only a wish of its own is worth a
 * reload (as Ollama has it).
 */
export function keepAutomatic(wanted: RunnerOptions, loaded: RunnerOptions): RunnerOptions {
  const { numCtx, numBatch, useMmap } = loaded;
  return {
    ...(numCtx !== undefined && { numCtx }),
    ...(numBatch !== undefined && { numBatch }),
    ...(useMmap !== undefined && { useMmap }),
    ...wanted,
  };
}

export function stopWordsOf(
  parameters: Parameters,
  request: readonly string[] | undefined,
): readonly string[] {
  if (request) return request;
  const stop = parameters["stop"];
  const words: readonly unknown[] = Array.isArray(stop) ? stop : [stop];
  return words.filter((word) => typeof word === "string");
}

/** num_predict, bounded as Ollama bounds it: a model that never ends must not run for ever. */
export function maxTokensOf(
  parameters: Parameters,
  request: GenerateRequest["maxTokens"],
  contextLength: number,
): number {
  const bound = 10 * contextLength;
  const wanted = request ?? numberIn(parameters, "num_predict") ?? -1;
  return wanted < 0 ? bound : Math.min(wanted, bound);
}

/** PARAMETER values come from JSON; those that a Modelfile wrote as text are numbers too. */
function numberIn(parameters: Parameters, name: string): number | undefined {
  const value = parameters[name];
  if (typeof value === "number") return value;
  if (typeof value !== "string" || value.trim() === "") return undefined;
  const number = Number(value);
  return Number.isFinite(number) ? number : undefined;
}

function booleanIn(parameters: Parameters, name: string): boolean | undefined {
  const value = parameters[name];
  if (typeof value === "boolean") return value;
  return value === "true" ? true : value === "false" ? false : undefined;
}
