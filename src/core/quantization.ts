import type { Waiting } from "./ports.ts";

/** What a model's weights can be turned into, by the names that clients use. */
export const QUANTIZATIONS = ["F32", "F16", "BF16", "Q8_0", "Q4_K_S", "Q4_K_M"] as const;
export type Quantization = (typeof QUANTIZATIONS)[number];

export interface QuantizeJob {
  /** A GGUF file of F32, F16 or BF16. */
  readonly inputPath: string;
  /** A file that is there already: it is overwritten. */
  readonly outputPath: string;
  readonly quantization: Quantization;
}

/** Turns weights into smaller ones. Owner: engine. Errors are ManagementErrors. */
export interface Quantizer {
  /**
   * How many of the model's values are done, never fewer than before; 0 as soon as the work has a place. The file is whole when
   * the iteration ends. Leaving it or aborting the signal stops the work.
   */
  quantize(job: QuantizeJob, o: Waiting): AsyncIterable<number>;
}
