import type { QuantizeJob } from "../../core/quantization.ts";

/** What the engine and its quantizing process tell each other; progress is on the process's standard error. */

export interface QuantizeTask extends QuantizeJob {
  readonly threads: number;
}

export type FromQuantizer =
  /** llama.cpp is loaded. */
  | { readonly type: "begun" }
  /** It cannot be. */
  | { readonly type: "unavailable"; readonly problem: string }
  | { readonly type: "done" }
  /** The file is to blame, or the disk: its output tells. */
  | { readonly type: "failed" };

/** Both ends are ours and run the same code, so a message's tag vouches for the rest of it. */
export function isFromQuantizer(message: unknown): message is FromQuantizer {
  return typeof message === "object" && message !== null && "type" in message;
}

export function isTask(message: unknown): message is QuantizeTask {
  return typeof message === "object" && message !== null && "threads" in message;
}
