import type { DrainedModel, DrainProgress, DrainState } from "../core/drain.ts";
import { canServe, type NodeView } from "../core/node-view.ts";
import type { ReplicaIndex } from "../core/ports.ts";

type Replica = ReturnType<ReplicaIndex["replicas"]>[number];

/**
 * What the node holds, and who else holds it ready and takes requests. It can leave once nothing runs there and nothing that it
 * holds is the last copy.
 */
export function drainProgress(
  node: Pick<NodeView, "id" | "name">,
  state: DrainState,
  nodes: readonly Pick<NodeView, "id" | "health" | "state">[],
  replicas: readonly Replica[],
): DrainProgress {
  const serving = new Set(nodes.filter(canServe).map(({ id }) => id));
  const elsewhere = new Map<string, number>();
  for (const { record, holder } of replicas) {
    if (holder.node === node.id || holder.state !== "ready" || !serving.has(holder.node)) continue;
    elsewhere.set(record.manifest, (elsewhere.get(record.manifest) ?? 0) + 1);
  }
  const models = replicas
    .filter(({ holder }) => holder.node === node.id && holder.state === "ready")
    .map(
      ({ record }): DrainedModel => ({
        name: record.name,
        sizeBytes: record.sizeBytes,
        elsewhere: elsewhere.get(record.manifest) ?? 0,
      }),
    );
  const isLast = models.some((model) => model.elsewhere === 0);
  const canLeave = state.draining && state.running === 0 && !isLast;
  return { ...state, node: node.id, name: node.name, models, canLeave };
}
