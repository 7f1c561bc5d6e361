/** Weights that keep one thread busy long enough to be worth waking: below it, threads spin at barriers instead. */
const WEIGHT_BYTES_PER_THREAD = 32 * 1024 * 1024;

/**
 * How many threads evaluate a model. A token of a small model takes microseconds a layer, less than it takes threads to
 * meet: the 2 MB demo model makes 1,800 tokens a second on one thread and 92 on two of a two-core machine.
 */
export function threadsFor(options: {
  readonly modelBytes: number;
  /** Cores that are useful for arithmetic: physical ones, performance ones. */
  readonly cores: number;
  /** Ollama's num_thread; 0 or unset means automatic. */
  readonly numThread?: number | undefined;
}): number {
  const { modelBytes, cores, numThread = 0 } = options;
  if (numThread > 0) return Math.floor(numThread);
  const useful = Math.floor(modelBytes / WEIGHT_BYTES_PER_THREAD);
  return Math.max(1, Math.min(useful, cores));
}
