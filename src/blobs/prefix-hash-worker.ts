import { createHash } from "node:crypto";
import { openSync, readSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";

const CHUNK_BYTES = 1024 * 1024;

/** Reads the file named by its data up to where each message says, and answers `null` with the SHA-256 of all it has read. */
const file = openSync(workerData, "r");
const hash = createHash("sha256");
const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
let position = 0;

parentPort?.on("message", (end: number | null) => {
  if (end === null) {
    parentPort?.postMessage(hash.digest("hex"));
    return;
  }
  while (position < end) {
    const bytesRead = readSync(file, chunk, 0, Math.min(CHUNK_BYTES, end - position), position);
    if (bytesRead === 0) throw new Error(`the file ends at byte ${position} of ${end}`);
    hash.update(chunk.subarray(0, bytesRead));
    position += bytesRead;
  }
});
