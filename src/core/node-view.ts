import type { LoadedModel } from "./inference.ts";
import type { NodeId } from "./node-id.ts";

/** What detection says of a node. `left` and `failed` nodes stay visible as tombstones for a while. */
export type NodeHealth = "alive" | "suspect" | "failed" | "left";
/** What the node says of itself. */
export type NodeState = "active" | "draining" | "leaving";

export interface NodeLoad {
  readonly running: number;
  readonly queued: number;
  readonly slots: number;
}

/** What a node tells about itself in every heartbeat. */
export interface NodeReport {
  readonly name: string;
  readonly region: string;
  readonly zone: string;
  /** Of the daemon. */
  readonly version: string;
  readonly state: NodeState;
  readonly load: NodeLoad;
  readonly loaded: readonly LoadedModel[];
  readonly freeMemoryBytes: number;
  readonly freeDiskBytes: number;
  readonly apiUrl: string;
}

/** What this node knows of a node, itself included. */
export interface NodeView extends NodeReport {
  readonly id: NodeId;
  readonly self: boolean;
  readonly health: NodeHealth;
  readonly multiaddrs: readonly string[];
  /** Raised by the node itself, to refute a suspicion or after a restart. */
  readonly incarnation: bigint;
  /** Of the newest replica list that the node has told of. */
  readonly replicaVersion: bigint;
  /** Since we last heard of it, by our own clock. */
  readonly ageMs: number;
}

/** The one predicate for "new requests may go there". A suspect may still answer, but is asked last. */
export function canServe(node: Pick<NodeView, "health" | "state">): boolean {
  return (node.health === "alive" || node.health === "suspect") && node.state === "active";
}
