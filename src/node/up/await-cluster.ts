import { request } from "node:http";
import { z } from "zod";
import type { Clock } from "../../core/clock.ts";

const POLL_MS = 100;
const BODY_BYTES_MAX = 4 * 1024 * 1024;

const nodesSchema = z.object({ nodes: z.array(z.object({ id: z.string(), health: z.string() })) });
const tagsSchema = z.object({ models: z.array(z.object({ name: z.string() })) });

/** Resolves when the node sees `nodeCount` live nodes and can serve every one of the models. */
export async function awaitCluster(
  apiUrl: string,
  wanted: { readonly nodeCount: number; readonly models: readonly string[] },
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  for (;;) {
    if (await isComplete(apiUrl, wanted, signal)) return;
    await clock.sleep(POLL_MS, signal);
  }
}

async function isComplete(
  apiUrl: string,
  wanted: { readonly nodeCount: number; readonly models: readonly string[] },
  signal: AbortSignal,
): Promise<boolean> {
  const nodes = nodesSchema.safeParse(await getJson(`${apiUrl}/api/cluster/nodes`, signal));
  const tags = tagsSchema.safeParse(await getJson(`${apiUrl}/api/tags`, signal));
  if (!nodes.success || !tags.success) return false;
  const alive = nodes.data.nodes.filter((node) => node.health === "alive").length;
  const names = tags.data.models.map((model) => model.name);
  return alive >= wanted.nodeCount && wanted.models.every((model) => names.includes(model));
}

/** The names of the models that the node itself holds. */
export async function localModels(
  apiUrl: string,
  { signal }: { readonly signal: AbortSignal },
): Promise<readonly string[]> {
  const tags = tagsSchema.safeParse(await getJson(`${apiUrl}/api/tags?local=true`, signal));
  return tags.success ? tags.data.models.map((model) => model.name) : [];
}

/** The body; undefined when the node does not answer with JSON (yet). */
function getJson(url: string, signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const get = request(url, { signal, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > BODY_BYTES_MAX) get.destroy();
        else chunks.push(chunk);
      });
      response.on("end", () => resolve(parseJson(Buffer.concat(chunks).toString())));
    });
    get.on("error", () => (signal.aborted ? reject(signal.reason) : resolve(undefined)));
    get.end();
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
