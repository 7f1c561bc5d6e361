import type { NodeId } from "../core/node-id.ts";
import type { ClusterView, PeerStreams, ReplicaIndex, Waiting } from "../core/ports.ts";
import { peerIdOf } from "./addresses.ts";
import { measureCluster, measureLinks } from "./mesh-metrics.ts";
import type { MeshDeps, MeshOptions } from "./mesh-options.ts";
import { type MeshParts, openParts } from "./mesh-parts.ts";

/** After its last word a node waits so long for peers to have heard it. */
const LEAVE_PROBE_MS = 1_000;
const LEAVE_WITNESSES_MAX = 8;

/** The mesh as the rest of the node sees it: who is there, who holds what, and streams to each of them. */
export class Mesh implements AsyncDisposable {
  readonly view: ClusterView;
  readonly replicas: ReplicaIndex;
  readonly streams: PeerStreams;
  readonly #parts: MeshParts;
  readonly #stack: AsyncDisposableStack;

  private constructor(parts: MeshParts, stack: AsyncDisposableStack) {
    this.view = parts.view;
    this.replicas = parts.replicas;
    this.streams = parts.streams;
    this.#parts = parts;
    this.#stack = stack;
  }

  static async open(options: MeshOptions, deps: MeshDeps): Promise<Mesh> {
    await using stack = new AsyncDisposableStack();
    const parts = await openParts(options, deps, stack);
    if (deps.metrics) {
      measureCluster(deps.metrics, parts.view, parts.replicas);
      measureLinks(deps.metrics, () => parts.streams.links());
    }
    return new Mesh(parts, stack.move());
  }

  /** Where peers can reach this node. */
  multiaddrs(): readonly string[] {
    return this.#parts.libp2p.getMultiaddrs().map(String);
  }

  /** The report has changed: tell it now. */
  touch(): void {
    this.#parts.heartbeats.touch();
  }

  /** Tells the others that this node leaves, and waits until some of them must have heard it. */
  async leave(o: Waiting): Promise<void> {
    const { detection, discovery, heartbeats, prober, view } = this.#parts;
    await discovery[Symbol.asyncDispose]();
    detection.handle({ type: "leave" });
    await heartbeats.publish();
    // Bytes to a peer arrive in order: who answers a probe that was sent after the gossip has got the gossip.
    const witnesses = view.nodes().filter(({ self, health }) => !self && health === "alive");
    const limits = { ...o, timeoutMs: LEAVE_PROBE_MS };
    await Promise.allSettled(
      witnesses.slice(0, LEAVE_WITNESSES_MAX).map(({ id }) => prober.ping(id, undefined, limits)),
    );
    o.signal.throwIfAborted();
  }

  /** For new connections. Those that are open stay, so peers that share one key are not dropped while keys rotate. */
  setClusterKeys(keys: readonly Uint8Array[]): void {
    this.#parts.noise.setKeys(keys);
    this.#parts.mismatches.clear();
  }

  /** Turns nodes away for good, and closes the connections to them. */
  deny(nodes: readonly NodeId[]): void {
    const { gater, libp2p, discovery, detection, membership } = this.#parts;
    for (const node of nodes) {
      gater.deny(node);
      discovery.forget(node);
      const member = membership.member(node, 0);
      if (member) {
        const { incarnation } = member;
        const update = { node, incarnation, health: "left", multiaddrs: [] } as const;
        detection.handle({ type: "update", update, from: this.view.self().id });
      }
      for (const connection of libp2p.getConnections(peerIdOf(node))) {
        connection.abort(new Error("this peer was denied"));
      }
    }
  }

  /** Addresses of peers that the registry or the bootstrap list names and that share no key with us. */
  keyMismatches(): readonly string[] {
    return this.#parts.mismatches.list();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
