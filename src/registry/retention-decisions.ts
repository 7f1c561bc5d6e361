import type { NodeId } from "../core/node-id.ts";
import type { NodeView } from "../core/node-view.ts";
import type { NodeStatus } from "./nodes.ts";

export const DAY_MS = 86_400_000;
/** A node that was away for longer comes back as a new one; until then its replicas may return with it. */
export const GONE_DAYS = 7;

export interface SilentNode {
  readonly id: NodeId;
  readonly status: NodeStatus;
  /** Since its last heartbeat or the last word about it, whichever is later, by the database's clock. */
  readonly silentMs: number;
}

/**
 * The nodes whose rows, replicas included, nobody needs any more: the registry says that they are not there, nothing was heard
 * of them for GONE_DAYS, and the mesh, which may know better while the registry is behind, does not see them alive.
 */
export function decideGone(
  rows: readonly SilentNode[],
  nodes: readonly Pick<NodeView, "id" | "health">[],
): NodeId[] {
  const seen = new Set(
    nodes.filter(({ health }) => health === "alive" || health === "suspect").map(({ id }) => id),
  );
  return rows
    .filter(({ status }) => status === "offline" || status === "failed")
    .filter(({ id, silentMs }) => silentMs > GONE_DAYS * DAY_MS && !seen.has(id))
    .map(({ id }) => id);
}
