import type { PeerId, PeerInfo } from "@libp2p/interface";
import type { Multiaddr } from "@multiformats/multiaddr";
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { type NodeId, parseNodeId } from "../core/node-id.ts";
import type { Waiting } from "../core/ports.ts";
import { jittered, type Random } from "../core/random.ts";
import { backoffMs, retry } from "../core/retry.ts";
import { withTimeout } from "../core/with-timeout.ts";
import { addressesOf, nodeIdOf, peerIdOf } from "./addresses.ts";
import { type DialLimits, type KnownPeer, whomToDial } from "./dial-plan.ts";
import type { MeshLibp2p } from "./libp2p.ts";
import { MULTIADDRS_MAX } from "./limits.ts";
import { Pulse } from "./pulse.ts";
import { type RememberedPeer, RememberedPeers } from "./remembered-peers.ts";

/** Where live nodes are listed: the registry. It may fail at any time, and is then asked again later. */
export interface PeerDirectory {
  livePeers(
    o: Waiting,
  ): Promise<readonly { readonly id: NodeId; readonly multiaddrs: readonly string[] }[]>;
}

export interface DiscoveryOptions {
  readonly bootstrapPeers: readonly Multiaddr[];
  readonly stateDir: string;
}

export interface DiscoveryDeps {
  readonly libp2p: MeshLibp2p;
  readonly self: NodeId;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly directory?: PeerDirectory | undefined;
  /** Denied, or known to have left: not to be dialled. */
  readonly isGone: (node: NodeId) => boolean;
}

/** Everyone is connected to everyone up to here; a larger cluster is a random graph of this degree. */
const FULL_MESH_PEERS_MAX = 150;
const LIMITS: DialLimits = { connectedMax: FULL_MESH_PEERS_MAX, diallingMax: 16 };
const KNOWN_PEERS_MAX = 2_000;
const DIAL_TIMEOUT_MS = 8_000;
const DIAL_BACKOFF = { firstMs: 250, maxMs: 30_000 };
/** From this failure on, every try first asks the DHT for other addresses. */
const ASK_DHT_AFTER_FAILURES = 3;
const ROUND_INTERVAL_MS = 500;
/** Often at first, when the others are starting too; an up-to-date list matters less once the mesh is joined. */
const DIRECTORY_EAGER_MS = 1_000;
const DIRECTORY_INTERVAL_MS = 15_000;
const DIRECTORY_EAGER_ROUNDS = 10;
const DIRECTORY_TIMEOUT_MS = 5_000;
const DIRECTORY_BACKOFF = { firstMs: 500, maxMs: 15_000 };
const REMEMBER_INTERVAL_MS = 10_000;

/** Finds peers and keeps connected to them: the registry's, configured, remembered, on this network, in the DHT. */
export class Discovery implements AsyncDisposable {
  readonly #options: DiscoveryOptions;
  readonly #deps: DiscoveryDeps;
  readonly #remembered: RememberedPeers;
  readonly #known = new Map<NodeId, KnownPeer>();
  /** Peers from the registry or the bootstrap list: those that an operator expects to see. */
  readonly #expected = new Set<NodeId>();
  readonly #stopping = new AbortController();
  readonly #pulse = new Pulse();
  readonly #dials = new Set<Promise<void>>();
  #loops: readonly Promise<void>[] = [];

  private constructor(options: DiscoveryOptions, deps: DiscoveryDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#remembered = new RememberedPeers(options.stateDir, deps.log);
  }

  static open(options: DiscoveryOptions, deps: DiscoveryDeps): Discovery {
    const discovery = new Discovery(options, deps);
    deps.libp2p.addEventListener("peer:discovery", discovery.#onDiscovered);
    deps.libp2p.addEventListener("peer:connect", discovery.#onConnected);
    deps.libp2p.addEventListener("peer:disconnect", discovery.#onDisconnected);
    discovery.#loops = [
      discovery.#dialLoop(),
      discovery.#directoryLoop(),
      discovery.#rememberLoop(),
      ...options.bootstrapPeers.map((address) => discovery.#bootstrap(address)),
    ];
    return discovery;
  }

  /** Newer addresses come first, since a node that moved is not where it was. */
  learn(id: NodeId, multiaddrs: readonly string[]): void {
    if (id === this.#deps.self || this.#deps.isGone(id)) return;
    const known = this.#known.get(id);
    if (!known && this.#known.size >= KNOWN_PEERS_MAX) this.#dropWorst();
    const all = [...new Set([...multiaddrs, ...(known?.multiaddrs ?? [])])];
    const isNews = all.some((address) => !known?.multiaddrs.includes(address));
    if (known && !isNews) return;
    this.#known.set(id, {
      id,
      multiaddrs: all.slice(0, MULTIADDRS_MAX),
      failures: 0,
      nextTryMs: this.#deps.clock.nowMs(),
      dialling: known?.dialling ?? false,
    });
    this.#pulse.wake();
  }

  /** It has left: it will call when it comes back. */
  forget(id: NodeId): void {
    this.#known.delete(id);
    this.#expected.delete(id);
  }

  /** Whether an operator would expect this peer to be one of ours. */
  isExpected(address: Multiaddr): boolean {
    const id = nodeIdOf(address);
    if (id !== undefined && this.#expected.has(id)) return true;
    return this.#options.bootstrapPeers.some((bootstrap) =>
      address.toString().startsWith(bootstrap.toString()),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    this.#deps.libp2p.removeEventListener("peer:discovery", this.#onDiscovered);
    this.#deps.libp2p.removeEventListener("peer:connect", this.#onConnected);
    this.#deps.libp2p.removeEventListener("peer:disconnect", this.#onDisconnected);
    await Promise.all(this.#loops);
    await Promise.all(this.#dials);
  }

  readonly #onDiscovered = ({ detail }: CustomEvent<PeerInfo>): void => {
    const id = parseNodeId(detail.id.toString());
    if (id) this.learn(id, detail.multiaddrs.map(String));
  };

  readonly #onConnected = ({ detail }: CustomEvent<PeerId>): void => {
    this.#update(detail, { failures: 0, nextTryMs: 0 });
  };

  readonly #onDisconnected = ({ detail }: CustomEvent<PeerId>): void => {
    // Both sides see it: chance keeps them from dialling each other at the same moment.
    const pauseMs = jittered(this.#deps.random, DIAL_BACKOFF.firstMs, 0.9);
    this.#update(detail, { failures: 0, nextTryMs: this.#deps.clock.nowMs() + pauseMs });
  };

  #update(peer: PeerId, change: Partial<KnownPeer>): void {
    const known = this.#known.get(parseNodeId(peer.toString()) ?? this.#deps.self);
    if (known) this.#known.set(known.id, { ...known, ...change });
  }

  async #dialLoop(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const connected = new Set(this.#deps.libp2p.getPeers().map(String));
      for (const id of this.#known.keys()) if (this.#deps.isGone(id)) this.forget(id);
      const nowMs = this.#deps.clock.nowMs();
      for (const peer of whomToDial(this.#known.values(), connected, nowMs, LIMITS)) {
        this.#known.set(peer.id, { ...peer, dialling: true });
        const dial = this.#dialPeer(peer).finally(() => this.#dials.delete(dial));
        this.#dials.add(dial);
      }
      await this.#pulse.sleep(this.#deps.clock, ROUND_INTERVAL_MS, signal);
    }
  }

  async #dialPeer(peer: KnownPeer): Promise<void> {
    let failed = true;
    try {
      if (peer.failures >= ASK_DHT_AFTER_FAILURES) await this.#askDht(peer.id);
      const { multiaddrs } = this.#known.get(peer.id) ?? peer;
      await this.#dial(addressesOf(peer.id, multiaddrs));
      failed = false;
    } catch (error) {
      if (!this.#stopping.signal.aborted) {
        this.#deps.log.debug({ peer: peer.id, error: messageOf(error) }, "a peer was not reached");
      }
    }
    const known = this.#known.get(peer.id);
    if (!known) return;
    const failures = failed ? known.failures + 1 : 0;
    const pauseMs = failed ? backoffMs(DIAL_BACKOFF, failures, this.#deps.random) : 0;
    const nextTryMs = this.#deps.clock.nowMs() + pauseMs;
    this.#known.set(peer.id, { ...known, failures, nextTryMs, dialling: false });
  }

  async #dial(addresses: Multiaddr[]): Promise<void> {
    if (addresses.length === 0) throw new Error("no address is known");
    await this.#limited(DIAL_TIMEOUT_MS, (signal) => this.#deps.libp2p.dial(addresses, { signal }));
  }

  async #askDht(id: NodeId): Promise<void> {
    try {
      const found = await this.#limited(DIAL_TIMEOUT_MS, (signal) =>
        this.#deps.libp2p.peerRouting.findPeer(peerIdOf(id), { signal }),
      );
      this.learn(id, found.multiaddrs.map(String));
    } catch {
      // Nobody has met it either.
    }
  }

  /** An address may name no node, so it is dialled on its own until somebody is there. */
  async #bootstrap(address: Multiaddr): Promise<void> {
    const { clock, random } = this.#deps;
    const { signal } = this.#stopping;
    const id = nodeIdOf(address);
    if (id) {
      this.#expected.add(id);
      this.learn(id, [address.toString()]);
      return;
    }
    const dial = (): Promise<void> => this.#dial([address]);
    await retry(dial, DIAL_BACKOFF, { clock, random, signal }).catch(() => {});
  }

  async #directoryLoop(): Promise<void> {
    const { clock, random, log, directory } = this.#deps;
    const { signal } = this.#stopping;
    if (!directory) return;
    const ask = () =>
      this.#limited(DIRECTORY_TIMEOUT_MS, (signal) => directory.livePeers({ signal }));
    for (let round = 0; !signal.aborted; round++) {
      try {
        const onFailure = (error: unknown): void =>
          log.debug({ error: messageOf(error) }, "the registry did not list its nodes");
        const peers = await retry(ask, DIRECTORY_BACKOFF, { clock, random, signal, onFailure });
        for (const { id, multiaddrs } of peers.slice(0, KNOWN_PEERS_MAX)) {
          if (id !== this.#deps.self) this.#expected.add(id);
          this.learn(id, multiaddrs);
        }
        const eager = round < DIRECTORY_EAGER_ROUNDS;
        const pauseMs = eager ? DIRECTORY_EAGER_MS : DIRECTORY_INTERVAL_MS;
        await clock.sleep(jittered(random, pauseMs, 0.2), signal);
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    }
  }

  async #rememberLoop(): Promise<void> {
    const { signal } = this.#stopping;
    for (const { id, multiaddrs } of await this.#remembered.read()) this.learn(id, multiaddrs);
    do {
      await this.#deps.clock.sleep(REMEMBER_INTERVAL_MS, signal).catch(() => {});
      await this.#remembered.write(this.#worthRemembering());
    } while (!signal.aborted);
  }

  /** Those that are connected, then those that were reached or heard of. */
  #worthRemembering(): readonly RememberedPeer[] {
    const connected = new Set(this.#deps.libp2p.getPeers().map(String));
    const rank = ({ id, failures }: KnownPeer): number => (connected.has(id) ? -1 : failures);
    return [...this.#known.values()]
      .filter(({ multiaddrs }) => multiaddrs.length > 0)
      .sort((a, b) => rank(a) - rank(b) || (a.id < b.id ? -1 : 1))
      .map(({ id, multiaddrs }) => ({ id, multiaddrs }));
  }

  #dropWorst(): void {
    let worst: KnownPeer | undefined;
    for (const peer of this.#known.values()) {
      if (!worst || peer.failures > worst.failures) worst = peer;
    }
    if (worst) this.forget(worst.id);
  }

  #limited<T>(timeoutMs: number, action: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { signal } = this.#stopping;
    const onTimeout = (): Error => new Error(`no answer in ${timeoutMs} ms`);
    return withTimeout(this.#deps.clock, { timeoutMs, signal, onTimeout }, action);
  }
}
