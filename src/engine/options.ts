const MINUTE_MS = 60_000;

export interface LlamaEngineOptions {
  /** Requests that a model answers at once; its context takes memory for each. */
  readonly numParallel: number;
  /** Requests that may wait for a slot, of all models together. */
  readonly maxQueue: number;
  readonly maxLoadedModels: number;
  /** Of a request that names none, bounded by what the model was trained on. 0: the default. */
  readonly contextLength: number;
  /** How long an idle model stays loaded. Infinity: for ever. */
  readonly keepAliveMs: number;
  /** A load that makes no progress for so long has failed. Infinity: never. */
  readonly loadTimeoutMs: number;
  /** A runner with work that says nothing for so long is killed. */
  readonly stallTimeoutMs: number;
  /** For all models together, in addition to what the machine has free. Infinity: only the machine decides. */
  readonly memoryBytesMax: number;
}

const LLAMA_ENGINE_DEFAULTS: LlamaEngineOptions = {
  numParallel: 4,
  maxQueue: 512,
  maxLoadedModels: 3,
  contextLength: 4_096,
  keepAliveMs: 5 * MINUTE_MS,
  loadTimeoutMs: 5 * MINUTE_MS,
  stallTimeoutMs: 15_000,
  memoryBytesMax: Number.POSITIVE_INFINITY,
};

export function completeOptions(options: Partial<LlamaEngineOptions>): LlamaEngineOptions {
  const contextLength = options.contextLength || LLAMA_ENGINE_DEFAULTS.contextLength;
  return { ...LLAMA_ENGINE_DEFAULTS, ...options, contextLength };
}
