import type { NodeId } from "../../core/node-id.ts";
import type { NodeHealth } from "../../core/node-view.ts";
import type { ClusterView, NodeChange } from "../../core/ports.ts";
import type { HeartbeatRecord, UpdateRecord } from "../membership-records.ts";

/**
 * What happened. Give each event to `Membership.handle` as soon as it happens, with our own monotonic clock.
 *
 * - `tick`: time has passed. Needed at `nextWakeMs()`, harmless at any time.
 * - `heartbeat`: an author's own heartbeat, signature checked. Echoes of our own are ignored.
 * - `update`: what `from` says of a node, us included; `from` is the author of the gossip or the caller of a ping.
 * - `acked`: the node answered the probe, directly (`via` absent) or to the relay `via`.
 * - `missed`: it did not. Tell as soon as it is known (a refused connection comes at once); a probe of which nothing is told
 *   counts as missed a little after its time.
 * - `relayFailed`: the relay itself did not answer, which says as much about us as about the node.
 * - `opened`, `closed`: the first connection to a node is there, the last one is gone.
 * - `heard`: the node itself spoke to us by another way, such as a probe of its own.
 * - `evidence`: what the data path saw.
 * - `late`: our event loop stood still for so long. `handle` sees by itself when a wake comes late; this adds what a monitor
 *   of the event loop sees between wakes.
 * - `reportChanged`: what our heartbeat says is no longer true.
 * - `leave`: we go. Nothing is probed or refuted after it.
 */
export type MembershipEvent =
  | { readonly type: "tick" }
  | { readonly type: "heartbeat"; readonly heartbeat: HeartbeatRecord }
  | { readonly type: "update"; readonly update: UpdateRecord; readonly from: NodeId }
  | {
      readonly type: "acked";
      readonly probeId: number;
      readonly node: NodeId;
      readonly incarnation: bigint;
      readonly via?: NodeId;
    }
  | {
      readonly type: "missed";
      readonly probeId: number;
      readonly node: NodeId;
      readonly via?: NodeId;
    }
  | {
      readonly type: "relayFailed";
      readonly probeId: number;
      readonly node: NodeId;
      readonly via: NodeId;
    }
  | { readonly type: "opened"; readonly node: NodeId }
  | { readonly type: "closed"; readonly node: NodeId }
  | { readonly type: "heard"; readonly node: NodeId }
  | {
      readonly type: "evidence";
      readonly node: NodeId;
      readonly evidence: Parameters<ClusterView["observe"]>[1];
    }
  | { readonly type: "late"; readonly delayMs: number }
  | { readonly type: "reportChanged" }
  | { readonly type: "leave" };

/**
 * What to do. Perform effects in their order; none of them may call `handle` before the last one is performed.
 *
 * - `probe`: ping the node and answer with `acked` or `missed`, both with `probeId` and `node`. `about` is what we believe of it: send
 *   it along, so that the node can refute it at once; the incarnation in its reply must be the one after that.
 * - `probeIndirect`: ask `via` to ping the node within `timeoutMs`, wait `RELAY_PATIENCE` times as long for its reply, and
 *   answer with `acked`, `missed` or `relayFailed`, each with `via`.
 * - `publishHeartbeat`: build a heartbeat from the newest report, with this incarnation and time to live, and publish it.
 *   Intervals, jitter and rate limit are in these effects: no other loop is needed.
 * - `publishUpdate`: publish it. It need not be repeated: what was lost is found out again.
 * - `change`: tell the readers of `ClusterView.changes`; `member(node)` already says the new.
 * - `forget`: the tombstone's time is over; whatever is kept by this node's id can go.
 */
export type MembershipEffect =
  | {
      readonly type: "probe";
      readonly probeId: number;
      readonly node: NodeId;
      readonly timeoutMs: number;
      readonly about: UpdateRecord | undefined;
    }
  | {
      readonly type: "probeIndirect";
      readonly probeId: number;
      readonly node: NodeId;
      readonly via: NodeId;
      readonly timeoutMs: number;
    }
  | {
      readonly type: "publishHeartbeat";
      readonly incarnation: bigint;
      readonly ttlMs: number;
    }
  | { readonly type: "publishUpdate"; readonly update: UpdateRecord }
  | { readonly type: "change"; readonly node: NodeId; readonly kind: NodeChange["kind"] }
  | { readonly type: "forget"; readonly node: NodeId };

/** What is known of another node. `ageMs` and `heardMs` are of our own clock. */
export interface MemberView {
  readonly node: NodeId;
  readonly health: NodeHealth;
  readonly incarnation: bigint;
  /** When it last gave a sign of life that reached us. */
  readonly heardMs: number;
  readonly ageMs: number;
  readonly multiaddrs: readonly string[];
  /** The newest; undefined of a node that was only named by others. */
  readonly heartbeat: HeartbeatRecord | undefined;
}

export interface MembershipOptions {
  /** Of a probe, direct or through a relay, while we are healthy. */
  readonly probeTimeoutMs: number;
  readonly probeIntervalMs: number;
  /** How long a suspicion lasts at least, when enough others confirm it and enough relays can check it. */
  readonly suspicionMs: number;
  /** How long a failed or left node is remembered, so that old messages cannot bring it back. */
  readonly tombstoneMs: number;
}

export const MEMBERSHIP_DEFAULTS: MembershipOptions = {
  probeTimeoutMs: 400,
  probeIntervalMs: 1_000,
  suspicionMs: 1_000,
  tombstoneMs: 600_000,
};

/** Tombstones included; nodes beyond it are refused until others are forgotten. */
export const MEMBERS_MAX = 4_096;

/** A relay's reply may take so many times the probe's timeout. */
export const RELAY_PATIENCE = 1.5;
