import type { ConnectionGater, PeerId } from "@libp2p/interface";

/** Turns denied peers away, on dials as well as on connections that they open. */
export class Gater implements ConnectionGater {
  readonly #denied: Set<string>;

  constructor(denied: Iterable<string>) {
    this.#denied = new Set(denied);
  }

  deny(id: string): void {
    this.#denied.add(id);
  }

  isDenied(id: string): boolean {
    return this.#denied.has(id);
  }

  // libp2p's own gater for browsers refuses private addresses; a mesh lives on them.
  readonly denyDialMultiaddr = (): boolean => false;
  readonly denyDialPeer = (peer: PeerId): boolean => this.isDenied(peer.toString());
  // Who the other end is turns out with the handshake, so this is the first place that can refuse an inbound peer.
  readonly denyInboundEncryptedConnection = (peer: PeerId): boolean =>
    this.isDenied(peer.toString());
  readonly denyOutboundEncryptedConnection = (peer: PeerId): boolean =>
    this.isDenied(peer.toString());
}
