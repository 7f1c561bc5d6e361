import type { Connection, Topology } from "@libp2p/interface";
import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/log.ts";
import type { Random } from "../core/random.ts";
import { backoffMs } from "../core/retry.ts";
import type { MeshLibp2p } from "./libp2p.ts";

export interface GossipStreamsDeps {
  readonly libp2p: Pick<MeshLibp2p, "getConnections" | "getPeers"> & {
    readonly services: {
      readonly pubsub: Pick<MeshLibp2p["services"]["pubsub"], "protocols">;
      readonly topologies: (protocol: string) => readonly Pick<Topology, "onConnect">[];
    };
  };
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

interface Missing {
  readonly failures: number;
  readonly nextTryMs: number;
}

const LOOK_INTERVAL_MS = 2_000;
/** gossipsub opens its streams one after the other, and gives each up to the five seconds that a protocol's choice may take. */
const AGAIN = { firstMs: 2_000, maxMs: 60_000 };

/**
 * Sees to it that each connected peer has a stream for what is gossiped. gossipsub (17.1.1) opens one when it is told of the peer,
 * and never again while the connection stands: not when opening failed, not when identify did and nobody told it, not when the
 * stream was reset because the peer was too slow to read. That peer would hear no heartbeat of ours and no replica, and if we had
 * not told it our subscriptions yet, we would hear nothing of it. So gossipsub is told of it again, as of a new connection.
 */
export class GossipStreams implements AsyncDisposable {
  readonly #deps: GossipStreamsDeps;
  readonly #stopping = new AbortController();
  readonly #missing = new Map<string, Missing>();
  #loop = Promise.resolve();

  private constructor(deps: GossipStreamsDeps) {
    this.#deps = deps;
  }

  static open(deps: GossipStreamsDeps): GossipStreams {
    const streams = new GossipStreams(deps);
    streams.#loop = streams.#run();
    return streams;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#deps.clock.sleep(LOOK_INTERVAL_MS, signal).catch(() => {});
      if (!signal.aborted) this.#look();
    }
  }

  #look(): void {
    const { libp2p, clock } = this.#deps;
    const nowMs = clock.nowMs();
    const peers = libp2p.getPeers();
    const connected = new Set(peers.map(String));
    for (const id of this.#missing.keys()) if (!connected.has(id)) this.#missing.delete(id);
    for (const peer of peers) {
      const connections = libp2p.getConnections(peer).filter(({ status }) => status === "open");
      const [connection] = connections;
      const id = peer.toString();
      if (!connection || connections.some((each) => this.#carriesOurs(each))) {
        this.#missing.delete(id);
        continue;
      }
      const { failures, nextTryMs } = this.#missing.get(id) ?? { failures: 0, nextTryMs: nowMs };
      if (nowMs < nextTryMs) continue;
      // The first look may only have been early.
      if (failures > 0) this.#tellOf(connection);
      const pauseMs = backoffMs(AGAIN, failures + 1, this.#deps.random);
      this.#missing.set(id, { failures: failures + 1, nextTryMs: nowMs + pauseMs });
    }
  }

  #carriesOurs({ streams }: Connection): boolean {
    const { protocols } = this.#deps.libp2p.services.pubsub;
    return streams.some(
      ({ direction, protocol, status }) =>
        direction === "outbound" && status === "open" && protocols.includes(protocol),
    );
  }

  #tellOf(connection: Connection): void {
    const { libp2p, log } = this.#deps;
    const { pubsub, topologies } = libp2p.services;
    const peer = connection.remotePeer;
    log.debug({ peer: peer.toString() }, "a peer had no stream for what is gossiped");
    // It registers the same for each of its protocols.
    const [topology] = pubsub.protocols.flatMap((protocol) => topologies(protocol));
    topology?.onConnect?.(peer, connection);
  }
}
