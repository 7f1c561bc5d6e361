import { Broadcast } from "../core/broadcast.ts";
import type { Clock } from "../core/clock.ts";
import type { NodeId } from "../core/node-id.ts";
import type { NodeView } from "../core/node-view.ts";
import type { ClusterView, NodeChange, Waiting } from "../core/ports.ts";
import type { Membership } from "./membership/membership.ts";
import type { MemberView } from "./membership/types.ts";
import type { HeartbeatRecord } from "./membership-records.ts";

export interface LiveViewDeps {
  readonly clock: Clock;
  readonly self: () => Omit<HeartbeatRecord, "sequence" | "ttlMs">;
  readonly membership: Pick<Membership, "members" | "member">;
  readonly observe: ClusterView["observe"];
}

/** Detection's verdict and the node's own last heartbeat, put together. */
export class LiveView implements ClusterView {
  readonly #deps: LiveViewDeps;
  readonly #changes = new Broadcast<NodeChange>();

  constructor(deps: LiveViewDeps) {
    this.#deps = deps;
  }

  self(): NodeView {
    const { node, incarnation, report, multiaddrs, replicaVersion } = this.#deps.self();
    const own = { id: node, self: true, health: "alive", ageMs: 0 } as const;
    return { ...report, ...own, multiaddrs, incarnation, replicaVersion };
  }

  nodes(): readonly NodeView[] {
    const members = this.#deps.membership.members(this.#deps.clock.nowMs());
    return [this.self(), ...members.map(viewOf)];
  }

  changes(o: Waiting): AsyncIterable<NodeChange> {
    return this.#changes.subscribe(o);
  }

  observe(node: NodeId, evidence: "served" | "failed" | "stalled"): void {
    this.#deps.observe(node, evidence);
  }

  publish(node: NodeId, kind: NodeChange["kind"]): void {
    const member = this.#deps.membership.member(node, this.#deps.clock.nowMs());
    if (member) this.#changes.publish({ node: viewOf(member), kind });
  }
}

function viewOf({ node, health, incarnation, heartbeat, ageMs }: MemberView): NodeView {
  const { report, multiaddrs, replicaVersion } = heartbeat;
  return {
    ...report,
    id: node,
    self: false,
    health,
    multiaddrs,
    incarnation,
    replicaVersion,
    ageMs,
  };
}
