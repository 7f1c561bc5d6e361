import type { NodeId } from "../core/node-id.ts";
import type { NodeView } from "../core/node-view.ts";
import type { NodeStatus, NodeStatusRow } from "./nodes.ts";

/** A node that the mesh does not know and that said nothing to the database for this long is not there. */
export const UNSEEN_MS = 60_000;
/** A node that failed and did not come back for this long is counted as gone. */
export const FAILED_MS = 3_600_000;

export interface StatusDecision {
  readonly id: NodeId;
  readonly status: NodeStatus;
  readonly incarnation: bigint;
}

/**
 * What the leader writes about others. A node that lives writes its own row, so only those that cannot are decided here:
 *
 * 1. what the mesh saw fail → failed; what it saw leave → offline;
 * 2. what the mesh does not know, and has not written a heartbeat for UNSEEN_MS by the database's clock → offline
 *    (it was gone before this leader started);
 * 3. what failed FAILED_MS ago → offline.
 */
export function decideStatuses(
  rows: readonly NodeStatusRow[],
  nodes: readonly Pick<NodeView, "id" | "self" | "health" | "incarnation">[],
): StatusDecision[] {
  const views = new Map(nodes.map((node) => [node.id, node]));
  return rows.flatMap((row) => {
    const view = views.get(row.id);
    if (view?.self) return [];
    const status = statusOf(row, view);
    if (status === undefined || status === row.status) return [];
    return [{ id: row.id, status, incarnation: row.incarnation }];
  });
}

function statusOf(
  row: NodeStatusRow,
  view: Pick<NodeView, "health" | "incarnation"> | undefined,
): NodeStatus | undefined {
  if (row.status === "offline") return undefined;
  const ageMs = row.heartbeatAgeMs ?? Number.POSITIVE_INFINITY;
  if (row.status === "failed") return ageMs > FAILED_MS ? "offline" : undefined;
  if (!view) return ageMs > UNSEEN_MS ? "offline" : undefined;
  // Of an incarnation that the row has outlived already, the mesh's news is old.
  if (view.incarnation < row.incarnation) return undefined;
  if (view.health === "failed") return "failed";
  return view.health === "left" ? "offline" : undefined;
}
