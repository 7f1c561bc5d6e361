import type { NodeId } from "../core/node-id.ts";
import type { PeerProtocol } from "../core/ports.ts";
import { PROTOCOL_POLICIES } from "./protocol-policy.ts";

interface Count {
  total: number;
  readonly ofPeers: Map<NodeId, number>;
}

/** Counts exchanges that are under way, in one direction. */
export class ExchangeLimits {
  readonly #counts = new Map<PeerProtocol, Count>();

  /** False when the peer, or the protocol, has as many as it may. */
  tryTake(protocol: PeerProtocol, node: NodeId): boolean {
    const policy = PROTOCOL_POLICIES[protocol];
    const count = this.#countOf(protocol);
    const ofPeer = count.ofPeers.get(node) ?? 0;
    if (ofPeer >= policy.exchangesPerPeerMax || count.total >= policy.exchangesMax) return false;
    count.ofPeers.set(node, ofPeer + 1);
    count.total++;
    return true;
  }

  release(protocol: PeerProtocol, node: NodeId): void {
    const count = this.#countOf(protocol);
    const ofPeer = (count.ofPeers.get(node) ?? 0) - 1;
    if (ofPeer > 0) count.ofPeers.set(node, ofPeer);
    else count.ofPeers.delete(node);
    count.total--;
  }

  #countOf(protocol: PeerProtocol): Count {
    const known = this.#counts.get(protocol);
    if (known) return known;
    const count = { total: 0, ofPeers: new Map() };
    this.#counts.set(protocol, count);
    return count;
  }
}
