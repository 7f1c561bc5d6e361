import { writeFileSync } from "node:fs";
import { constants, setPriority } from "node:os";
import path from "node:path";
import { Worker } from "node:worker_threads";
import { messageOf } from "../../core/errors.ts";
import { type FromQuantizer, isTask, type QuantizeTask } from "./protocol.ts";

// As a runner: the engine decides when it ends, and it ends with the node.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});
const onDisconnect = (): unknown => process.kill(process.pid, "SIGKILL");
process.on("disconnect", onDisconnect);

yieldToOthers();
process.once("message", (message: unknown) => {
  if (isTask(message)) work(message);
});

/** llama.cpp's call returns when all is done: in a thread of its own, so that this one hears when the node has gone. */
function work(task: QuantizeTask): void {
  const worker = new Worker(path.join(import.meta.dirname, "worker.ts"), { workerData: task });
  worker.on("message", tell);
  worker.on("error", (error) => tell({ type: "unavailable", problem: messageOf(error) }));
  worker.on("exit", () => {
    process.off("disconnect", onDisconnect);
    process.disconnect();
  });
}

function tell(message: FromQuantizer): void {
  process.send?.(message);
}

/**
 * To answers, without standing still: where they want all cores, a tenth is left for this. Threads get the priority of the one
 * that starts them, and the worker's come later.
 */
function yieldToOthers(): void {
  const { PRIORITY_BELOW_NORMAL } = constants.priority;
  setPriority(PRIORITY_BELOW_NORMAL);
  try {
    // Linux compares priorities within a session only, where it groups processes by it (sched(7), "The autogroup feature").
    writeFileSync("/proc/self/autogroup", String(PRIORITY_BELOW_NORMAL), { flag: "r+" });
  } catch {
    // Elsewhere there is no such file.
  }
}
