import type { RouteContext } from "../deps.ts";
import { jsonReply } from "../http/reply.ts";
import { shortNameOf } from "../ollama/find-model.ts";

/** GET /api/cluster/replicas: every replica that this node knows of, each with the age of what it knows. */
export function replicas({ replicas: index, view }: RouteContext): Response {
  const names = new Map(view.nodes().map((node) => [node.id, node.name]));
  return jsonReply({
    replicas: index.replicas().map(({ record, holder }) => ({
      model: shortNameOf(record.name),
      digest: record.manifest,
      size: record.sizeBytes,
      node: holder.node,
      node_name: names.get(holder.node) ?? "",
      state: holder.state,
      age_ms: Math.round(holder.ageMs),
    })),
  });
}
