import type { NodeId } from "../core/node-id.ts";
import type { PeerProtocol } from "../core/ports.ts";
import type { Channel } from "./channel.ts";
import { PROTOCOL_POLICIES } from "./protocol-policy.ts";

interface Idle {
  readonly channel: Channel;
  readonly protocol: PeerProtocol;
  readonly sinceMs: number;
}

/** Streams that we opened and that wait for their next exchange. */
export class StreamPool {
  readonly #idle = new Map<string, Idle[]>();

  /** A link if there is one, and the one used last, which is the least likely to have been closed meanwhile. */
  take(node: NodeId, protocol: PeerProtocol): Channel | undefined {
    const idle = this.#idle.get(`${node} ${protocol}`);
    for (;;) {
      const channel = idle?.pop()?.channel;
      if (!channel?.failure) return channel;
    }
  }

  put(node: NodeId, protocol: PeerProtocol, channel: Channel, nowMs: number): void {
    const key = `${node} ${protocol}`;
    const idle = this.#idle.get(key) ?? [];
    if (idle.length >= PROTOCOL_POLICIES[protocol].pooledPerPeerMax) {
      channel.close();
      return;
    }
    // Nothing may come between exchanges: what does is a fault of the peer's.
    channel.onEvent = () => {
      if (channel.readable) channel.reset(new Error("the peer sent outside an exchange"));
    };
    const streams = idle.filter((other) => other.channel.kind === "stream").length;
    const place = channel.kind === "link" ? idle.length : streams;
    idle.splice(place, 0, { channel, protocol, sinceMs: nowMs });
    this.#idle.set(key, idle);
  }

  /** Closes what has not been used for as long as its protocol allows, and forgets what has broken. */
  sweep(nowMs: number): void {
    for (const [key, idle] of this.#idle) {
      const kept = idle.filter(({ channel, protocol, sinceMs }) => {
        if (channel.failure) return false;
        if (nowMs - sinceMs < PROTOCOL_POLICIES[protocol].idleMs) return true;
        channel.close();
        return false;
      });
      if (kept.length > 0) this.#idle.set(key, kept);
      else this.#idle.delete(key);
    }
  }

  clear(): void {
    for (const idle of this.#idle.values()) {
      for (const { channel } of idle) channel.close();
    }
    this.#idle.clear();
  }
}
