import { formatDigest } from "../core/digest.ts";
import type { Progress } from "../core/management.ts";
import type { Layer } from "../core/manifest.ts";

/** How far a layer has come, in Ollama's words: numbers that are 0 are left out. */
export function layerLine(
  verb: "pulling" | "pushing",
  { digest, sizeBytes }: Pick<Layer, "digest" | "sizeBytes">,
  completedBytes: number,
): Progress {
  return {
    status: `${verb} ${digest.slice(0, 12)}`,
    digest: formatDigest(digest),
    ...(sizeBytes > 0 && { total: sizeBytes }),
    ...(completedBytes > 0 && { completed: completedBytes }),
  };
}
