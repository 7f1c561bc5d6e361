import type { MessageStream } from "@libp2p/interface";
import type { Multiaddr } from "@multiformats/multiaddr";
import type { Logger } from "../core/log.ts";
import { parseMultiaddr } from "./addresses.ts";

const MISMATCHES_MAX = 100;

/**
 * Peers that an operator expects in this cluster and that have no key in common with us: either we are misconfigured or
 * they are. Strangers, such as another cluster on the same network, are none of our business.
 */
export class KeyMismatches {
  readonly #log: Logger;
  readonly #isExpected: (address: Multiaddr) => boolean;
  readonly #onMismatch: (address: string) => void;
  readonly #addresses = new Set<string>();

  constructor(
    log: Logger,
    isExpected: (address: Multiaddr) => boolean,
    onMismatch: (address: string) => void,
  ) {
    this.#log = log;
    this.#isExpected = isExpected;
    this.#onMismatch = onMismatch;
  }

  list(): readonly string[] {
    return [...this.#addresses];
  }

  /** From the handshake: only a connection that we dialled has an address that says who we meant. */
  observe(connection: MessageStream): void {
    if (connection.direction !== "outbound" || !("remoteAddr" in connection)) return;
    const address = parseMultiaddr(String(connection.remoteAddr));
    if (!address || !this.#isExpected(address)) return;
    const text = address.toString();
    if (this.#addresses.has(text) || this.#addresses.size >= MISMATCHES_MAX) return;
    this.#addresses.add(text);
    this.#log.error(
      { peer: text },
      "a peer of this cluster has another cluster key: give this node the key that the registry keeps (OLLAMA_CLUSTER_KEY, or unset it), or point it at its own cluster",
    );
    this.#onMismatch(text);
  }

  /** That node has been reached after all. */
  forget(id: string): void {
    for (const address of this.#addresses) {
      if (address.endsWith(`/p2p/${id}`)) this.#addresses.delete(address);
    }
  }

  clear(): void {
    this.#addresses.clear();
  }
}
