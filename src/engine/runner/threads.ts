const MIB = 1024 * 1024;
/** Weights that keep one thread busy long enough to be worth waking: with fewer, threads spend their time meeting. */
const WEIGHT_BYTES_PER_THREAD = 32 * MIB;
/** Weights for each core from which on the last core pays too, although the event loop then waits for its turn. */
const WEIGHT_BYTES_PER_LAST_CORE = 96 * MIB;
/** ggml's own (GGML_MAX_N_THREADS); beyond it a model is never loaded. */
const THREADS_MAX = 512;

/**
 * How many threads evaluate a model. llama.cpp's threads spin while they wait for each other, a token of a small model takes
 * less than a turn of the scheduler, and the event loop needs a core between two tokens. Measured on two cores, tokens a
 * second on one thread and on two: 2 MB 1,800 and 92; 31 MB 449 and 61; 81 MB 112 and 58; 220 MB 34 and 41.
 */
export function threadsFor(options: {
  readonly modelBytes: number;
  /** Cores that are useful for arithmetic: physical ones, performance ones. */
  readonly cores: number;
  /** Ollama's num_thread; 0 or unset means automatic. */
  readonly numThread?: number | undefined;
}): number {
  const { modelBytes, cores, numThread = 0 } = options;
  if (numThread > 0) return Math.min(Math.floor(numThread), THREADS_MAX);
  if (modelBytes >= cores * WEIGHT_BYTES_PER_LAST_CORE) return cores;
  const useful = Math.floor(modelBytes / WEIGHT_BYTES_PER_THREAD);
  return Math.max(1, Math.min(useful, cores - 1));
}
