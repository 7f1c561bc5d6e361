import { statfs } from "node:fs/promises";
import { BlobError } from "./errors.ts";
import { humanBytes } from "./human-number.ts";

/** Throws DISK_FULL beforehand, rather than after an hour. `what` begins the sentence: The blob, The import. */
export async function expectSpace(dir: string, neededBytes: number, what: string): Promise<void> {
  const freeBytes = await freeBytesOf(dir);
  if (freeBytes >= neededBytes) return;
  throw new BlobError(
    "DISK_FULL",
    `${what} needs ${humanBytes(neededBytes)}, and ${dir} has ${humanBytes(freeBytes)} free: free some space there, or set OLLAMA_MODELS to a folder on a larger disk.`,
    { details: { neededBytes, freeBytes } },
  );
}

export async function freeBytesOf(dir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dir);
  return bavail * bsize;
}
