import { noise } from "@chainsafe/libp2p-noise";
import type { ConnectionEncrypter, MessageStream } from "@libp2p/interface";
import { clusterKeyId, noisePrologue } from "./cluster-key.ts";
import { joinWrites } from "./joined-writes.ts";
import { quietDecoder } from "./quiet-decoder.ts";

/** What noise takes of libp2p's components. */
type Components = Parameters<ReturnType<typeof noise>>[0];

/**
 * Noise that only holders of a cluster key can complete.
 *
 * The prologue is derived from the key: two ends that do not share it disagree on the handshake's hash and the first
 * encrypted message fails (Noise Protocol Framework, revision 34, §6). The protocol's name carries the key's id, so that
 * two ends that know several keys settle on a common one; plain `/noise` is not offered.
 *
 * Two clusters that meet by mistake must learn that it is the key. So there is a last protocol, which both sides know and
 * which never succeeds: it is settled on only when no key is shared.
 */
export class KeyedNoise {
  readonly #onMismatch: (connection: MessageStream) => void;
  #keys: readonly Uint8Array[];
  #components: Components | undefined;

  constructor(keys: readonly Uint8Array[], onMismatch: (connection: MessageStream) => void) {
    this.#keys = keys;
    this.#onMismatch = onMismatch;
  }

  /** For libp2p's `connectionEncrypters`. The others are put beside the first one in the upgrader's own map. */
  readonly encrypter = (components: Components): ConnectionEncrypter => {
    this.#components = components;
    return noSharedKey(this.#onMismatch);
  };

  /** Call once libp2p is made, and before it starts. */
  install(): void {
    this.setKeys(this.#keys);
  }

  /** For new connections, the first key preferred; connections that are open stay. */
  setKeys(keys: readonly Uint8Array[]): void {
    this.#keys = keys;
    if (!this.#components) return;
    const encrypters = this.#components.upgrader.getConnectionEncrypters();
    encrypters.clear();
    for (const encrypter of keys.map((key) => keyedNoise(key, this.#components))) {
      encrypters.set(encrypter.protocol, encrypter);
    }
    const last = noSharedKey(this.#onMismatch);
    encrypters.set(last.protocol, last);
  }
}

function keyedNoise(key: Uint8Array, components: Components | undefined): ConnectionEncrypter {
  if (!components) throw new Error("libp2p is not made yet");
  const inner = noise({ prologueBytes: noisePrologue(key) })(components);
  return {
    protocol: `/noise/ollamamax/${clusterKeyId(key)}`,
    secureInbound: async (connection, options) =>
      lighter(connection, await inner.secureInbound(connection, options)),
    secureOutbound: async (connection, options) =>
      lighter(connection, await inner.secureOutbound(connection, options)),
  };
}

function lighter<T extends { readonly connection: MessageStream }>(
  raw: MessageStream,
  secured: T,
): T {
  joinWrites(raw, secured.connection);
  quietDecoder(secured.connection);
  return secured;
}

function noSharedKey(onMismatch: (connection: MessageStream) => void): ConnectionEncrypter {
  const refuse = async (connection: MessageStream): Promise<never> => {
    onMismatch(connection);
    throw new Error("no cluster key in common");
  };
  return { protocol: "/ollamamax/no-shared-key/1", secureInbound: refuse, secureOutbound: refuse };
}
