import type { NodeId } from "../../core/node-id.ts";
import type { NodeHealth } from "../../core/node-view.ts";
import type { HeartbeatRecord, UpdateRecord } from "../membership-records.ts";

/** What happened, told by the driver. Of a node that is us, or that has never spoken, most of it means nothing. */
export type MembershipEvent =
  /** Time has passed: due at `nextWakeMs`. */
  | { readonly type: "tick" }
  | { readonly type: "heartbeat"; readonly heartbeat: HeartbeatRecord }
  /** What `from` says of a node: by gossip, or with a probe of us. */
  | { readonly type: "update"; readonly update: UpdateRecord; readonly from: NodeId }
  | {
      readonly type: "probeAcked";
      readonly probeId: number;
      readonly node: NodeId;
      readonly incarnation: bigint;
    }
  /** Optional: an error before the time was up, such as a refused connection. */
  | { readonly type: "probeMissed"; readonly probeId: number; readonly node: NodeId }
  | {
      readonly type: "indirectAcked";
      readonly probeId: number;
      readonly node: NodeId;
      readonly incarnation: bigint;
    }
  /** A relay answered that the node does not answer it either: our own connections are in order. */
  | { readonly type: "indirectNacked"; readonly probeId: number; readonly via: NodeId }
  /** The first connection to the node. */
  | { readonly type: "connected"; readonly node: NodeId }
  /** The last connection to the node is gone. */
  | { readonly type: "disconnected"; readonly node: NodeId }
  /** Of the data path. That a node has asked us something counts as "served". */
  | {
      readonly type: "evidence";
      readonly node: NodeId;
      readonly evidence: "served" | "failed" | "stalled";
    }
  /** Our own event loop was held up: nothing that seems late is to be blamed on others. */
  | { readonly type: "lateness"; readonly latenessMs: number }
  /** We leave: say so, and refute nothing any more. */
  | { readonly type: "leave" };

/** What the driver shall do. */
export type Effect =
  /** Ask the node, and let it know what we think of it. Membership itself counts the time. */
  | {
      readonly type: "probe";
      readonly node: NodeId;
      readonly probeId: number;
      readonly timeoutMs: number;
      readonly aboutYou?: UpdateRecord;
    }
  /** Ask these others to ask it, each with this timeout. */
  | {
      readonly type: "probeIndirect";
      readonly via: readonly NodeId[];
      readonly target: NodeId;
      readonly probeId: number;
      readonly timeoutMs: number;
    }
  /** At once: our incarnation has changed, or somebody new should hear of us. */
  | { readonly type: "publishHeartbeat" }
  | { readonly type: "publishUpdate"; readonly update: UpdateRecord }
  | {
      readonly type: "changed";
      readonly kind: "joined" | "changed" | "suspect" | "failed" | "left";
      readonly node: NodeId;
    }
  /** Its tombstone's time is over: nothing is known of it any more. */
  | { readonly type: "forget"; readonly node: NodeId };

/** A node other than us that has spoken to the cluster, alive or not. */
export interface MemberView {
  readonly node: NodeId;
  readonly health: NodeHealth;
  readonly incarnation: bigint;
  readonly connected: boolean;
  /** The newest. */
  readonly heartbeat: HeartbeatRecord;
  /** The last sign of life, by our own clock. */
  readonly heardMs: number;
  readonly ageMs: number;
}
