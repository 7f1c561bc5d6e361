import { parentPort, workerData } from "node:worker_threads";
import { ManagementError } from "../../core/management.ts";
import { planAdapter } from "./plan-adapter.ts";
import type { PlanJob, PlanReply } from "./plan-conversion.ts";
import { planModel } from "./plan-model.ts";

/** Plans what its data ask for, and answers once. Whoever does not want to wait ends the thread. */
const job: PlanJob = workerData;
const o = { signal: new AbortController().signal };

function reply(message: PlanReply): void {
  parentPort?.postMessage(message);
}

try {
  const plan = job.base ? await planAdapter(job.files, job.base, o) : await planModel(job.files, o);
  reply({ plan });
} catch (error) {
  // A thread's errors lose their class on the way.
  if (!(error instanceof ManagementError)) throw error;
  reply({ failure: { code: error.code, message: error.message } });
}
