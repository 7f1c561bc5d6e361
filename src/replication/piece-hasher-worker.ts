import { createHash } from "node:crypto";
import { parentPort } from "node:worker_threads";

/** Answers each piece with its SHA-256, in turn. */
parentPort?.on("message", (bytes: Uint8Array) => {
  parentPort?.postMessage(createHash("sha256").update(bytes).digest());
});
