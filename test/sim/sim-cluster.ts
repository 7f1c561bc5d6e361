import type { NodeId } from "../../src/core/node-id.ts";
import type { NodeHealth } from "../../src/core/node-view.ts";
import { jittered, type Random, seededRandom } from "../../src/core/random.ts";
import { heartbeatIntervalMs, heartbeatTtlMs } from "../../src/mesh/heartbeat-interval.ts";
import type { Effect, MembershipEvent } from "../../src/mesh/membership/types.ts";
import type { HeartbeatRecord, UpdateRecord } from "../../src/mesh/membership-records.ts";
import { type NetworkOptions, SimNetwork } from "./sim-network.ts";

/** What is simulated: one node's detection. */
export interface Detector {
  readonly incarnation: bigint;
  handle(event: MembershipEvent, nowMs: number): readonly Effect[];
  nextWakeMs(nowMs: number): number;
  healthOf(node: NodeId): NodeHealth | undefined;
}

export interface Change {
  readonly atMs: number;
  readonly observer: number;
  readonly node: number;
  readonly kind: "joined" | "changed" | "suspect" | "failed" | "left";
}

export interface ClusterOptions extends NetworkOptions {
  readonly nodeCount: number;
  readonly seed: number;
  /** Everybody has heard everybody before the run begins; else they meet in it. */
  readonly isWarm?: boolean;
  readonly detector: (self: NodeId, incarnation: bigint, random: Random) => Detector;
}

interface Node {
  readonly index: number;
  readonly id: NodeId;
  detector: Detector;
  /** `still`: the process does nothing, as after SIGSTOP or in a long garbage collection; its connections stay open. */
  state: "up" | "still" | "dead";
  boot: bigint;
  sequence: bigint;
  isLeaving: boolean;
  wakeMs: number;
  publishedMs: number;
  nextBeatMs: number;
  /** What reached a still process, in order. */
  backlog: (() => void)[];
}

const CONNECT_MS_MAX = 50;
/** As the mesh limits what changes all the time. */
const HEARTBEAT_GAP_MS = 100;
const HEARTBEAT_JITTER = 0.2;
const REPORT: HeartbeatRecord["report"] = {
  name: "simulated",
  region: "",
  zone: "",
  version: "0",
  state: "active",
  load: { running: 0, queued: 0, slots: 4 },
  loaded: [],
  freeMemoryBytes: 0,
  freeDiskBytes: 0,
  apiUrl: "",
};
const LEAVING_REPORT: HeartbeatRecord["report"] = { ...REPORT, state: "leaving" };
const LEAVE_MS = 200;

/**
 * Nodes that detect each other's failures over a simulated network, each driven as the mesh drives it: its detection is the real
 * one, its heartbeats come at the real interval, everything between them is the network's.
 *
 * Every node is connected to every other one. A gossiped message reaches all at the same moment, or each of them by its own chance
 * not at all. A dead node's connections close within the network's delay and refuse to open again; a still node's stay open.
 * When a still node goes on, its timers run before it reads what has arrived, as in Node's event loop.
 */
export class SimCluster {
  readonly network: SimNetwork;
  readonly changes: Change[] = [];
  readonly #options: ClusterOptions;
  readonly #random: Random;
  readonly #nodes: Node[] = [];
  readonly #indexOf = new Map<NodeId, number>();

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    this.network = new SimNetwork(options, this.#random);
    for (let index = 0; index < options.nodeCount; index++) this.#add(index);
    if (options.isWarm) this.#introduce();
    for (const node of this.#nodes) this.#start(node);
  }

  get nowMs(): number {
    return this.network.nowMs;
  }

  run(durationMs: number): void {
    this.network.run(durationMs);
  }

  health(observer: number, node: number): NodeHealth | undefined {
    return this.#node(observer).detector.healthOf(this.#node(node).id);
  }

  incarnation(index: number): bigint {
    return this.#node(index).detector.incarnation;
  }

  /** Everybody who is up holds everybody else who is up for alive. */
  agrees(): boolean {
    const up = this.#nodes.filter(({ state }) => state === "up");
    return up.every((observer) =>
      up.every((node) => node === observer || observer.detector.healthOf(node.id) === "alive"),
    );
  }

  kill(index: number): void {
    const node = this.#node(index);
    node.state = "dead";
    node.backlog = [];
    for (const other of this.#nodes) {
      if (other === node || other.state === "dead") continue;
      this.network.at(this.nowMs + this.network.delayMs(), () => {
        if (!this.network.reaches(index, other.index)) return;
        this.#tell(other, { type: "disconnected", node: node.id });
      });
    }
  }

  restart(index: number): void {
    const node = this.#node(index);
    node.boot++;
    node.sequence = 0n;
    node.isLeaving = false;
    node.detector = this.#detector(node);
    this.#start(node);
  }

  freeze(index: number): void {
    this.#node(index).state = "still";
  }

  thaw(index: number): void {
    const node = this.#node(index);
    if (node.state !== "still") return;
    node.state = "up";
    this.#wake(node);
    for (const late of node.backlog.splice(0)) late();
  }

  stall(index: number, durationMs: number): void {
    this.freeze(index);
    this.network.at(this.nowMs + durationMs, () => this.thaw(index));
  }

  /** Says goodbye, and is gone a moment later. */
  leave(index: number): void {
    const node = this.#node(index);
    node.isLeaving = true;
    this.#tell(node, { type: "leave" });
    this.#beatSoon(node);
    this.network.at(this.nowMs + LEAVE_MS, () => this.kill(index));
  }

  /** A message as if `from` had published it, such as one that was held up on its way. */
  publish(from: number, event: MembershipEvent): void {
    this.#gossip(from, event);
  }

  heartbeatOf(index: number): HeartbeatRecord {
    const { id, sequence, detector, isLeaving } = this.#node(index);
    return {
      node: id,
      incarnation: detector.incarnation,
      sequence,
      report: isLeaving ? LEAVING_REPORT : REPORT,
      multiaddrs: [],
      replicaVersion: 0n,
      ttlMs: heartbeatTtlMs(heartbeatIntervalMs(this.#nodes.length)),
    };
  }

  idOf(index: number): NodeId {
    return this.#node(index).id;
  }

  #node(index: number): Node {
    return this.#nodes[index] as Node;
  }

  #add(index: number): void {
    const id = `node-${index}` as NodeId;
    const node: Node = {
      index,
      id,
      detector: this.#options.detector(id, 1n << 32n, this.#random),
      state: "up",
      boot: 1n,
      sequence: 0n,
      isLeaving: false,
      wakeMs: Number.POSITIVE_INFINITY,
      publishedMs: Number.NEGATIVE_INFINITY,
      nextBeatMs: Number.POSITIVE_INFINITY,
      backlog: [],
    };
    this.#nodes.push(node);
    this.#indexOf.set(id, index);
  }

  /** What they say to each other at this is not sent: they said it long ago. */
  #introduce(): void {
    for (const node of this.#nodes) {
      const heartbeat = this.heartbeatOf(node.index);
      for (const other of this.#nodes) {
        if (other === node) continue;
        other.detector.handle({ type: "heartbeat", heartbeat }, this.nowMs);
        other.detector.handle({ type: "connected", node: node.id }, this.nowMs);
      }
    }
  }

  #detector({ id, boot }: Node): Detector {
    return this.#options.detector(id, boot << 32n, this.#random);
  }

  #start(node: Node): void {
    node.state = "up";
    const isKnown = this.#options.isWarm === true && node.boot === 1n;
    if (!isKnown) this.#connect(node);
    const spreadMs = isKnown ? heartbeatIntervalMs(this.#nodes.length) : CONNECT_MS_MAX;
    this.#beatAt(node, this.nowMs + spreadMs * this.#random.next());
    this.#wake(node);
  }

  #connect(node: Node): void {
    const { boot } = node;
    const isCurrent = (): boolean => node.boot === boot && node.state !== "dead";
    for (const other of this.#nodes) {
      if (other === node || other.state === "dead") continue;
      this.network.at(this.nowMs + CONNECT_MS_MAX * this.#random.next(), () => {
        if (!isCurrent() || !this.network.reaches(node.index, other.index)) return;
        this.#tell(node, { type: "connected", node: other.id });
        this.#tell(other, { type: "connected", node: node.id });
      });
    }
  }

  #beatAt(node: Node, dueMs: number): void {
    node.nextBeatMs = dueMs;
    const { boot } = node;
    this.network.at(dueMs, () => {
      if (node.nextBeatMs === dueMs && node.boot === boot)
        this.#whenUp(node, () => this.#beat(node));
    });
  }

  #beat(node: Node): void {
    node.sequence++;
    node.publishedMs = this.nowMs;
    this.#gossip(node.index, { type: "heartbeat", heartbeat: this.heartbeatOf(node.index) });
    const intervalMs = heartbeatIntervalMs(this.#nodes.length);
    this.#beatAt(node, this.nowMs + jittered(this.#random, intervalMs, HEARTBEAT_JITTER));
  }

  /** As soon as the rate limit allows. */
  #beatSoon(node: Node): void {
    const dueMs = Math.max(this.nowMs, node.publishedMs + HEARTBEAT_GAP_MS);
    if (dueMs < node.nextBeatMs) this.#beatAt(node, dueMs);
  }

  #gossip(from: number, event: MembershipEvent): void {
    const { network } = this;
    network.at(this.nowMs + network.delayMs(), () => {
      for (const to of this.#nodes) {
        if (to.index === from || to.state === "dead") continue;
        if (!network.isLost() && network.reaches(from, to.index)) this.#tell(to, event);
      }
    });
  }

  /** At once, or as soon as the process goes on. */
  #whenUp(node: Node, action: () => void): void {
    if (node.state === "up") action();
    else if (node.state === "still") node.backlog.push(action);
  }

  #tell(node: Node, event: MembershipEvent): void {
    if (node.state === "still") node.backlog.push(() => this.#tell(node, event));
    if (node.state !== "up") return;
    for (const effect of node.detector.handle(event, this.nowMs)) this.#perform(node, effect);
    this.#arm(node);
  }

  #wake(node: Node): void {
    node.wakeMs = Number.POSITIVE_INFINITY;
    this.#tell(node, { type: "tick" });
  }

  #arm(node: Node): void {
    const wakeMs = Math.max(this.nowMs, node.detector.nextWakeMs(this.nowMs));
    if (wakeMs >= node.wakeMs) return;
    node.wakeMs = wakeMs;
    this.network.at(wakeMs, () => {
      if (node.wakeMs === wakeMs && node.state === "up") this.#wake(node);
    });
  }

  #perform(node: Node, effect: Effect): void {
    switch (effect.type) {
      case "probe":
        this.#probe(node, effect);
        break;
      case "probeIndirect":
        for (const via of effect.via) this.#probeIndirect(node, via, effect);
        break;
      case "publishHeartbeat":
        this.#beatSoon(node);
        break;
      case "publishUpdate":
        this.#gossip(node.index, { type: "update", update: effect.update, from: node.id });
        break;
      case "changed": {
        const of = this.#indexOf.get(effect.node) ?? -1;
        this.changes.push({ atMs: this.nowMs, observer: node.index, node: of, kind: effect.kind });
        break;
      }
      case "forget":
        break;
    }
  }

  #probe(node: Node, { node: target, probeId, aboutYou }: Effect & { type: "probe" }): void {
    this.#ping(node, target, aboutYou, {
      onAck: (incarnation) =>
        this.#tell(node, { type: "probeAcked", probeId, node: target, incarnation }),
      onRefused: () => this.#tell(node, { type: "probeMissed", probeId, node: target }),
    });
  }

  #probeIndirect(node: Node, via: NodeId, effect: Effect & { type: "probeIndirect" }): void {
    const { target, probeId, timeoutMs } = effect;
    const relay = this.#node(this.#indexOf.get(via) ?? -1);
    this.network.send(node.index, relay.index, () =>
      this.#whenUp(relay, () => {
        const reply = (event: MembershipEvent): void =>
          this.network.send(relay.index, node.index, () => this.#tell(node, event));
        let isDone = false;
        const onMissed = (): void => {
          if (isDone || relay.state !== "up") return;
          isDone = true;
          reply({ type: "indirectNacked", probeId, via });
        };
        this.network.at(this.nowMs + timeoutMs, onMissed);
        this.#ping(relay, target, undefined, {
          onAck: (incarnation) => {
            if (isDone) return;
            isDone = true;
            reply({ type: "indirectAcked", probeId, node: target, incarnation });
          },
          onRefused: onMissed,
        });
      }),
    );
  }

  #ping(
    from: Node,
    target: NodeId,
    aboutYou: UpdateRecord | undefined,
    on: {
      readonly onAck: (incarnation: bigint) => void;
      readonly onRefused: () => void;
    },
  ): void {
    const to = this.#node(this.#indexOf.get(target) ?? -1);
    this.network.send(from.index, to.index, () => {
      if (to.state === "dead") this.network.send(to.index, from.index, on.onRefused);
      this.#whenUp(to, () => {
        if (aboutYou) this.#tell(to, { type: "update", update: aboutYou, from: from.id });
        this.#tell(to, { type: "evidence", node: from.id, evidence: "served" });
        const { incarnation } = to.detector;
        this.network.send(to.index, from.index, () =>
          this.#whenUp(from, () => on.onAck(incarnation)),
        );
      });
    });
  }
}
