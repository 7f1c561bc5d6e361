import type { NodeId } from "../core/node-id.ts";
import type { PeerProtocol } from "../core/ports.ts";
import { PROTOCOL_POLICIES } from "./protocol-policy.ts";

/** Counts exchanges that are under way, in one direction. */
export class ExchangeLimits {
  readonly #perPeer = new Map<string, number>();
  readonly #total = new Map<PeerProtocol, number>();

  /** False when the peer, or the protocol, has as many as it may. */
  tryTake(protocol: PeerProtocol, node: NodeId): boolean {
    const policy = PROTOCOL_POLICIES[protocol];
    const key = `${protocol} ${node}`;
    const ofPeer = this.#perPeer.get(key) ?? 0;
    const total = this.#total.get(protocol) ?? 0;
    if (ofPeer >= policy.exchangesPerPeerMax || total >= policy.exchangesMax) return false;
    this.#perPeer.set(key, ofPeer + 1);
    this.#total.set(protocol, total + 1);
    return true;
  }

  release(protocol: PeerProtocol, node: NodeId): void {
    const key = `${protocol} ${node}`;
    const ofPeer = (this.#perPeer.get(key) ?? 0) - 1;
    if (ofPeer > 0) this.#perPeer.set(key, ofPeer);
    else this.#perPeer.delete(key);
    this.#total.set(protocol, (this.#total.get(protocol) ?? 0) - 1);
  }
}
