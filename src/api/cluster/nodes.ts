import type { NodeView } from "../../core/node-view.ts";
import type { RouteContext } from "../deps.ts";
import { jsonReply } from "../http/reply.ts";

/** GET /api/cluster/nodes: this node's live view, itself first, each with the age of what it knows. */
export function nodes({ view }: RouteContext): Response {
  return jsonReply({ nodes: view.nodes().map(entryOf) });
}

function entryOf(node: NodeView): Record<string, unknown> {
  return {
    id: node.id,
    name: node.name,
    self: node.self,
    health: node.health,
    state: node.state,
    region: node.region,
    zone: node.zone,
    version: node.version,
    api_url: node.apiUrl,
    multiaddrs: node.multiaddrs,
    load: node.load,
    loaded: node.loaded.map((loaded) => ({
      digest: loaded.model,
      size: loaded.sizeBytes,
      size_vram: loaded.vramBytes,
      context_length: loaded.contextLength,
      expires_in_ms: Number.isFinite(loaded.expiresInMs) ? Math.round(loaded.expiresInMs) : null,
    })),
    free_memory_bytes: node.freeMemoryBytes,
    free_disk_bytes: node.freeDiskBytes,
    incarnation: String(node.incarnation),
    replica_version: String(node.replicaVersion),
    age_ms: Math.round(node.ageMs),
  };
}
