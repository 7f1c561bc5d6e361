import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { ManagementError, type ManagementErrorCode } from "../../core/management.ts";
import type { Waiting } from "../../core/ports.ts";
import type { CheckpointFile } from "./checkpoint.ts";
import type { AdapterBase } from "./model-shape.ts";
import type { PlannedGguf } from "./plan-model.ts";

export interface PlanJob {
  readonly files: readonly CheckpointFile[];
  /** Of an adapter: the model that it is for. */
  readonly base?: AdapterBase;
}

export type PlanReply =
  | { readonly plan: PlannedGguf }
  | { readonly failure: { readonly code: ManagementErrorCode; readonly message: string } };

/** The largest tokenizers and files of 35 MB take a tenth of it. */
const OLD_GENERATION_MB_MAX = 2_048;

/**
 * What the files become as one GGUF file. A tokenizer of 200,000 words takes a second to read, in a thread of its own: the
 * node answers meanwhile.
 */
export async function planConversion(job: PlanJob, { signal }: Waiting): Promise<PlannedGguf> {
  signal.throwIfAborted();
  const worker = new Worker(new URL("./plan-worker.ts", import.meta.url), {
    workerData: job,
    execArgv: [], // Those of this process may be for its own script alone.
    resourceLimits: { maxOldGenerationSizeMb: OLD_GENERATION_MB_MAX },
  });
  try {
    // An error of the thread ends the waiting too.
    const [reply]: PlanReply[] = await once(worker, "message", { signal });
    if (!reply) throw new Error("the thread that plans a conversion said nothing");
    if ("plan" in reply) return reply.plan;
    throw new ManagementError(reply.failure.code, reply.failure.message);
  } finally {
    await worker.terminate();
  }
}
