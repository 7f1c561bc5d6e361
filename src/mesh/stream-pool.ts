import type { NodeId } from "../core/node-id.ts";
import type { PeerProtocol } from "../core/ports.ts";
import type { Channel } from "./channel.ts";
import { PROTOCOL_POLICIES } from "./protocol-policy.ts";

interface Idle {
  readonly channel: Channel;
  readonly sinceMs: number;
}

type Idles = Readonly<Record<Channel["kind"], Idle[]>>;

/** Channels that we opened and that wait for their next exchange. */
export class StreamPool {
  readonly #idle = new Map<PeerProtocol, Map<NodeId, Idles>>();

  /** A link if there is one, and the one used last, which is the least likely to have been closed meanwhile. */
  take(node: NodeId, protocol: PeerProtocol): Channel | undefined {
    const idles = this.#idle.get(protocol)?.get(node);
    for (;;) {
      const channel = (idles?.link.pop() ?? idles?.stream.pop())?.channel;
      if (!channel?.failure) return channel;
    }
  }

  put(node: NodeId, protocol: PeerProtocol, channel: Channel, nowMs: number): void {
    const idles = this.#idlesOf(node, protocol);
    if (idles.link.length + idles.stream.length >= PROTOCOL_POLICIES[protocol].pooledPerPeerMax) {
      channel.close();
      return;
    }
    channel.onEvent = rejectUnasked;
    idles[channel.kind].push({ channel, sinceMs: nowMs });
  }

  /** Closes what has not been used for as long as its protocol allows, and forgets what has broken. */
  sweep(nowMs: number): void {
    for (const [protocol, nodes] of this.#idle) {
      const { idleMs } = PROTOCOL_POLICIES[protocol];
      for (const [node, idles] of nodes) {
        const link = idles.link.filter((idle) => isKept(idle, nowMs - idleMs));
        const stream = idles.stream.filter((idle) => isKept(idle, nowMs - idleMs));
        if (link.length + stream.length > 0) nodes.set(node, { link, stream });
        else nodes.delete(node);
      }
    }
  }

  clear(): void {
    for (const nodes of this.#idle.values()) {
      for (const { link, stream } of nodes.values()) {
        for (const { channel } of [...link, ...stream]) channel.close();
      }
    }
    this.#idle.clear();
  }

  #idlesOf(node: NodeId, protocol: PeerProtocol): Idles {
    const nodes = this.#idle.get(protocol) ?? new Map<NodeId, Idles>();
    const idles = nodes.get(node) ?? { link: [], stream: [] };
    if (nodes.size === 0) this.#idle.set(protocol, nodes);
    nodes.set(node, idles);
    return idles;
  }
}

/** Nothing may come between exchanges: what does is a fault of the peer's. */
function rejectUnasked(this: Channel): void {
  if (this.readable) this.reset(new Error("the peer sent outside an exchange"));
}

function isKept({ channel, sinceMs }: Idle, usedAfterMs: number): boolean {
  if (channel.failure) return false;
  if (sinceMs > usedAfterMs) return true;
  channel.close();
  return false;
}
