import { Broadcast } from "../core/broadcast.ts";
import type { Clock } from "../core/clock.ts";
import type { NodeId } from "../core/node-id.ts";
import type { NodeHealth, NodeReport, NodeView } from "../core/node-view.ts";
import type { ClusterView, NodeChange, Waiting } from "../core/ports.ts";
import type { HeartbeatRecord } from "./membership-records.ts";

/** What detection knows of a node. */
export interface Member {
  readonly node: NodeId;
  readonly health: NodeHealth;
  readonly incarnation: bigint;
  /** By our own clock. */
  readonly heardMs: number;
}

export interface LiveViewDeps {
  readonly clock: Clock;
  readonly self: () => Omit<HeartbeatRecord, "sequence" | "ttlMs">;
  readonly members: () => Iterable<Member>;
  readonly member: (node: NodeId) => Member | undefined;
  readonly observe: ClusterView["observe"];
}

/** A node that was named by others and has not spoken yet: nothing can be asked of it, for it has no slots. */
const UNKNOWN_REPORT: NodeReport = {
  name: "",
  region: "",
  zone: "",
  version: "",
  state: "draining",
  load: { running: 0, queued: 0, slots: 0 },
  loaded: [],
  freeMemoryBytes: 0,
  freeDiskBytes: 0,
  apiUrl: "",
};

/** Detection's verdict and the node's own last heartbeat, put together. */
export class LiveView implements ClusterView {
  readonly #deps: LiveViewDeps;
  readonly #heartbeats = new Map<NodeId, HeartbeatRecord>();
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
    const self = this.self();
    const others: NodeView[] = [];
    for (const member of this.#deps.members()) {
      if (member.node !== self.id) others.push(this.#viewOf(member));
    }
    return [self, ...others];
  }

  changes(o: Waiting): AsyncIterable<NodeChange> {
    return this.#changes.subscribe(o);
  }

  observe(node: NodeId, evidence: "served" | "failed" | "stalled"): void {
    this.#deps.observe(node, evidence);
  }

  /** Keeps the newest; true when the node has another state or address than before. */
  take(heartbeat: HeartbeatRecord): boolean {
    const last = this.#heartbeats.get(heartbeat.node);
    if (last && !isNewer(heartbeat, last)) return false;
    this.#heartbeats.set(heartbeat.node, heartbeat);
    return JSON.stringify(comparable(last)) !== JSON.stringify(comparable(heartbeat));
  }

  heartbeat(node: NodeId): HeartbeatRecord | undefined {
    return this.#heartbeats.get(node);
  }

  forget(node: NodeId): void {
    this.#heartbeats.delete(node);
  }

  publish(node: NodeId, kind: NodeChange["kind"]): void {
    const member = this.#deps.member(node);
    if (member) this.#changes.publish({ node: this.#viewOf(member), kind });
  }

  #viewOf({ node, health, incarnation, heardMs }: Member): NodeView {
    const heartbeat = this.#heartbeats.get(node);
    return {
      ...(heartbeat?.report ?? UNKNOWN_REPORT),
      id: node,
      self: false,
      health,
      multiaddrs: heartbeat?.multiaddrs ?? [],
      incarnation,
      replicaVersion: heartbeat?.replicaVersion ?? 0n,
      ageMs: Math.max(0, this.#deps.clock.nowMs() - heardMs),
    };
  }
}

function isNewer(a: HeartbeatRecord, b: HeartbeatRecord): boolean {
  return (
    a.incarnation > b.incarnation || (a.incarnation === b.incarnation && a.sequence > b.sequence)
  );
}

/** What a reader of changes wants to hear of; load and memory differ in every heartbeat. */
function comparable(heartbeat: HeartbeatRecord | undefined): unknown {
  if (!heartbeat) return undefined;
  const { report, multiaddrs } = heartbeat;
  const { name, region, zone, version, state, loaded, apiUrl } = report;
  return {
    name,
    region,
    zone,
    version,
    state,
    loaded: loaded.map(({ model }) => model),
    apiUrl,
    multiaddrs,
  };
}
