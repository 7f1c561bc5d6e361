import { parentPort, workerData } from "node:worker_threads";
import { messageOf } from "../../core/errors.ts";
import { openLlamaQuantizer } from "./llama-quantizer.ts";
import { type FromQuantizer, isTask } from "./protocol.ts";

const tell = (message: FromQuantizer): void => parentPort?.postMessage(message);

try {
  const task: unknown = workerData;
  if (!isTask(task)) throw new Error("there is no task");
  const quantize = await openLlamaQuantizer();
  tell({ type: "begun" });
  tell({ type: quantize(task) ? "done" : "failed" });
} catch (error) {
  tell({ type: "unavailable", problem: messageOf(error) });
}
