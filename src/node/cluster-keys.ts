import { readFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { AppError } from "../core/errors.ts";
import type { Waiting } from "../core/ports.ts";

/** `details` tell which of the two cases it is. Exit code 1, with the next step in the message. */
export class ClusterKeyError extends AppError<"CLUSTER_KEY_MISMATCH" | "CLUSTER_KEY_MISSING"> {}

/** The registry's side of it; undefined while the registry is away. */
export interface KeySource {
  clusterKeys(o: Waiting): Promise<readonly string[]>;
}

const KEY_FILE = "cluster-key";

/**
 * The keys that admit peers, the current one first (base64url). The registry is the authority; OLLAMA_CLUSTER_KEY serves
 * a node without database access; what was last used is kept on disk, so that a node restarts while the registry is away.
 */
export async function resolveClusterKeys(
  options: { readonly dataDir: string; readonly configured: string | undefined },
  registry: KeySource | undefined,
  o: Waiting,
): Promise<readonly string[]> {
  const file = path.join(options.dataDir, KEY_FILE);
  const recorded = registry ? await registry.clusterKeys(o) : undefined;
  if (options.configured !== undefined) {
    if (recorded && !recorded.includes(options.configured)) {
      throw new ClusterKeyError(
        "CLUSTER_KEY_MISMATCH",
        "OLLAMA_CLUSTER_KEY is not the key of the cluster that the database belongs to: unset it (the key then comes from the registry), or point OLLAMA_DB_HOST at the right database",
      );
    }
    return recorded ?? [options.configured];
  }
  if (recorded) {
    await keep(file, recorded);
    return recorded;
  }
  const kept = await readKept(file);
  if (kept.length === 0) {
    throw new ClusterKeyError(
      "CLUSTER_KEY_MISSING",
      "this node has no cluster key yet and the registry cannot be reached: start the database, or set OLLAMA_CLUSTER_KEY",
    );
  }
  return kept;
}

/** True when this node was in the cluster before, and so can start without the registry. */
export async function hasKeptClusterKeys(dataDir: string): Promise<boolean> {
  return (await readKept(path.join(dataDir, KEY_FILE))).length > 0;
}

/** What the registry says now, for the next start. */
export async function keepClusterKeys(dataDir: string, keys: readonly string[]): Promise<void> {
  await keep(path.join(dataDir, KEY_FILE), keys);
}

async function keep(file: string, keys: readonly string[]): Promise<void> {
  await writeFile(`${file}.new`, `${keys.join("\n")}\n`, { mode: 0o600, flush: true });
  await rename(`${file}.new`, file);
}

async function readKept(file: string): Promise<readonly string[]> {
  try {
    return (await readFile(file, "utf8")).split("\n").filter((line) => line !== "");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}
