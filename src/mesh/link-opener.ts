import type { Socket } from "node:net";
import type { Connection } from "@libp2p/interface";
import type { Multiaddr } from "@multiformats/multiaddr";
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { type NodeId, parseNodeId } from "../core/node-id.ts";
import {
  PEER_PROTOCOLS,
  type PeerProtocol,
  type PeerStream,
  type PeerStreams,
} from "../core/ports.ts";
import { LinkReplySchema, LinkRequestSchema } from "../gen/ollamamax/v1/mesh_pb.ts";
import { addressesOf, peerIdOf } from "./addresses.ts";
import { LinkCarrier } from "./carrier.ts";
import { Channel } from "./channel.ts";
import { codec } from "./codec.ts";
import type { MeshLibp2p } from "./libp2p.ts";
import { MULTIADDRS_MAX } from "./limits.ts";
import type { LinkKey } from "./link-keys.ts";
import type { Links } from "./links.ts";
import { PROTOCOL_POLICIES } from "./protocol-policy.ts";

/** By which side made them. */
export interface LinkCounts {
  readonly out: number;
  readonly in: number;
}

interface LinkOf {
  readonly node: NodeId;
  readonly protocol: PeerProtocol;
  readonly direction: keyof LinkCounts;
}

type Use = (channel: Channel, node: NodeId, protocol: PeerProtocol) => void;

export interface LinkOpenerDeps {
  readonly libp2p: Pick<
    MeshLibp2p,
    "getConnections" | "getMultiaddrs" | "addEventListener" | "removeEventListener"
  >;
  readonly links: Links;
  readonly streams: PeerStreams;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onOpened: Use;
  readonly onAccepted: Use;
}

const requests = codec(LinkRequestSchema);
const replies = codec(LinkReplySchema);
/** What cannot be reached, behind a firewall perhaps, is not asked for again at once: libp2p's streams do as well. */
const RETRY_AFTER_MS = 60_000;
const ADDRESSES_MAX = 4;

/** Makes links to peers beside the work that wants them, and takes theirs. A link ends with the libp2p connection to its peer. */
export class LinkOpener implements AsyncDisposable {
  readonly #deps: LinkOpenerDeps;
  readonly #opening = new Map<string, Promise<void>>();
  readonly #notBeforeMs = new Map<NodeId, number>();
  readonly #channels = new Map<Channel, LinkOf>();
  readonly #stopping = new AbortController();
  readonly #serving: Disposable;

  constructor(deps: LinkOpenerDeps) {
    this.#deps = deps;
    this.#serving = deps.streams.handle("link", (stream) => this.#serve(stream));
    deps.links.onLink = (socket, { peer, protocol }) => {
      const link = { node: peer, protocol, direction: "in" } as const;
      deps.onAccepted(this.#channel(socket, link), peer, protocol);
    };
    deps.libp2p.addEventListener("peer:disconnect", this.#onDisconnect);
  }

  /** Makes one more, if there may be more; whoever wants it goes on meanwhile. */
  want(node: NodeId, protocol: PeerProtocol): void {
    const key = `${node} ${protocol}`;
    const link = { node, protocol, direction: "out" } as const;
    if (this.#opening.has(key) || this.#stopping.signal.aborted) return;
    if (this.#count(link) >= PROTOCOL_POLICIES[protocol].linksPerPeerMax) return;
    if ((this.#notBeforeMs.get(node) ?? 0) > this.#deps.clock.nowMs()) return;
    const opening = this.#open(link)
      .catch((error: unknown) => {
        this.#notBeforeMs.set(node, this.#deps.clock.nowMs() + RETRY_AFTER_MS);
        this.#deps.log.debug({ node, protocol, error: messageOf(error) }, "no link to a peer");
      })
      .finally(() => this.#opening.delete(key));
    this.#opening.set(key, opening);
  }

  async #open(link: LinkOf): Promise<void> {
    const { node, protocol } = link;
    const o = { signal: this.#stopping.signal };
    const reply = await this.#ask(node, protocol);
    const connections = this.#deps.libp2p.getConnections(peerIdOf(node));
    const addresses = linkAddresses(connections, addressesOf(node, reply.multiaddrs));
    const { localName } = reply;
    const socket = await this.#deps.links.connect({ addresses, localName }, reply, o);
    if (this.#deps.libp2p.getConnections(peerIdOf(node)).length === 0 || o.signal.aborted) {
      socket.destroy();
      return;
    }
    this.#deps.onOpened(this.#channel(socket, link), node, protocol);
  }

  async #ask(node: NodeId, protocol: PeerProtocol) {
    const o = { signal: this.#stopping.signal };
    await using stream = await this.#deps.streams.open(node, "link", o);
    await stream.end(o, requests.encode({ protocol: PEER_PROTOCOLS[protocol] }));
    const bytes = await stream.receive(o);
    if (bytes === null) throw new Error("the peer makes no link now");
    await stream.receive(o);
    return replies.decode(bytes);
  }

  async #serve(stream: PeerStream): Promise<void> {
    const o = { signal: stream.signal };
    const bytes = await stream.receive(o);
    if (bytes === null) return;
    const { protocol: wanted } = requests.decode(bytes);
    const protocol = PROTOCOLS.find((protocol) => PEER_PROTOCOLS[protocol] === wanted);
    const { peer } = stream;
    const key = protocol && this.#grant({ node: peer, protocol, direction: "in" });
    const multiaddrs = this.#deps.libp2p.getMultiaddrs().slice(0, MULTIADDRS_MAX).map(String);
    const { localName = "" } = this.#deps.links;
    await stream.end(o, key && replies.encode({ ...key, multiaddrs, localName }));
  }

  #grant(link: LinkOf): LinkKey | undefined {
    if (this.#count(link) >= PROTOCOL_POLICIES[link.protocol].linksPerPeerMax) return undefined;
    return this.#deps.links.grant({ peer: link.node, protocol: link.protocol });
  }

  #channel(socket: Socket, link: LinkOf): Channel {
    const { messageBytesMax } = PROTOCOL_POLICIES[link.protocol];
    const channel = new Channel(new LinkCarrier(socket), messageBytesMax);
    this.#channels.set(channel, link);
    socket.on("close", () => this.#channels.delete(channel));
    return channel;
  }

  counts(): LinkCounts {
    const counts = { out: 0, in: 0 };
    for (const { direction } of this.#channels.values()) counts[direction]++;
    return counts;
  }

  #count({ node, protocol, direction }: LinkOf): number {
    let count = 0;
    for (const link of this.#channels.values()) {
      const isSame = link.node === node && link.protocol === protocol;
      if (isSame && link.direction === direction) count++;
    }
    return count;
  }

  readonly #onDisconnect = ({ detail }: { readonly detail: { toString(): string } }): void => {
    const peer = parseNodeId(detail.toString());
    if (peer === undefined) return;
    this.#notBeforeMs.delete(peer);
    for (const [channel, { node }] of this.#channels) {
      if (node === peer) channel.reset(new Error("the connection to the peer was closed"));
    }
  };

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort(new Error("this node is leaving the mesh"));
    this.#serving[Symbol.dispose]();
    this.#deps.libp2p.removeEventListener("peer:disconnect", this.#onDisconnect);
    await Promise.all(this.#opening.values());
    for (const channel of this.#channels.keys()) {
      channel.reset(new Error("this node is leaving the mesh"));
    }
  }
}

const PROTOCOLS: readonly PeerProtocol[] = ["inference", "blob"];

/**
 * Where a peer is likely to answer, the likeliest first: where we reached it, then what it announces on the host from which
 * it reached us, then whatever else it announces.
 */
export function linkAddresses(
  connections: readonly Pick<Connection, "direction" | "remoteAddr">[],
  announced: readonly Multiaddr[],
): readonly Multiaddr[] {
  const reached = connections.filter(({ direction }) => direction === "outbound");
  const hosts = new Set(connections.map(({ remoteAddr }) => hostOf(remoteAddr)));
  const [near, far] = [true, false].map((isNear) =>
    announced.filter((address) => hosts.has(hostOf(address)) === isNear),
  );
  const all = [...reached.map(({ remoteAddr }) => remoteAddr), ...(near ?? []), ...(far ?? [])];
  const unique = new Map(all.map((address) => [tcpPart(address), address]));
  return [...unique.values()].slice(0, ADDRESSES_MAX);
}

function hostOf(address: Multiaddr): string {
  return `${address.getComponents()[0]?.value}`;
}

/** Without the name of the peer at its end. */
function tcpPart(address: Multiaddr): string {
  return address.toString().replace(/\/p2p\/[^/]+$/, "");
}
