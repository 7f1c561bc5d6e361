import { constants } from "node:crypto";
import type { Socket } from "node:net";
import tls from "node:tls";
import { getNetConfig } from "@libp2p/utils";
import type { Multiaddr } from "@multiformats/multiaddr";
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { Waiting } from "../core/ports.ts";
import { LinkReads } from "./carrier.ts";
import { type LinkGrant, type LinkKey, LinkKeys } from "./link-keys.ts";
import { connectLocally, LocalLinks } from "./local-links.ts";

/**
 * Links: sockets between two nodes for what is sent often or is large. A message through libp2p's layers costs 0.3 ms there
 * and back, over a socket with TLS 0.1, and a socket copies three times as much a second. Between nodes of one machine they are
 * local sockets: see LocalLinks.
 *
 * Who may make one has shown who it is already: the caller asks over a libp2p stream (/ollamamax/link/1) and gets a random
 * key, which is the pre-shared key (RFC 4279, RFC 5487) of one handshake within ten seconds. Both ends prove that they have it,
 * no certificate is needed, and the key is gone with its use: who learns a cluster key later can read no link of before.
 */
export interface LinksOptions {
  /** Whether nodes of this machine may do without TLS. */
  readonly local: boolean;
}

export interface LinksDeps {
  readonly clock: Clock;
  readonly log: Logger;
}

/** Where a peer may be reached. */
export interface Whereabouts {
  readonly addresses: readonly Multiaddr[];
  readonly localName?: string;
}

const TLS = {
  minVersion: "TLSv1.2",
  maxVersion: "TLSv1.2",
  ciphers: "PSK-AES128-GCM-SHA256",
  // A resumed session would come in without a key.
  secureOptions: constants.SSL_OP_NO_TICKET,
} as const;
const HANDSHAKE_TIMEOUT_MS = 5_000;
const KEEP_ALIVE_MS = 15_000;
export const INBOUND_LINKS_MAX = 1_024;

export class Links implements AsyncDisposable {
  readonly #keys: LinkKeys;
  #local: LocalLinks | undefined;
  readonly #server: tls.Server;
  readonly #inbound = new Set<Socket>();
  readonly #granted = new WeakMap<Socket, LinkGrant>();
  /** Told when a peer has made a link. */
  onLink: (socket: Socket, grant: LinkGrant) => void = (socket) => socket.destroy();

  private constructor({ clock, log }: LinksDeps) {
    this.#keys = new LinkKeys(clock);
    this.#server = tls.createServer({
      ...TLS,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      pskCallback: (socket, identity) => {
        const grant = this.#keys.take(identity);
        if (grant) this.#granted.set(socket, grant);
        return grant?.key ?? null;
      },
    });
    this.#server.on("secureConnection", (socket) => this.#onSecure(socket));
    this.#server.on("tlsClientError", (error, socket) => {
      log.debug({ error: messageOf(error) }, "a link was not made");
      socket.destroy();
    });
  }

  static async open({ local }: LinksOptions, deps: LinksDeps): Promise<Links> {
    const links = new Links(deps);
    if (!local) return links;
    links.#local = await LocalLinks.open({
      take: (identity) => links.#keys.take(identity),
      onLink: (socket, grant) => links.onLink(socket, grant),
      log: deps.log,
    });
    return links;
  }

  /** Under which name nodes of this machine reach this one. */
  get localName(): string | undefined {
    return this.#local?.name;
  }

  /** A key for a peer that asks; undefined while too many are out. */
  grant(grant: LinkGrant): LinkKey | undefined {
    return this.#keys.issue(grant);
  }

  /** A connection to the mesh's port that speaks TLS. */
  accept(socket: Socket): void {
    if (this.#inbound.size >= INBOUND_LINKS_MAX) {
      socket.destroy();
      return;
    }
    this.#inbound.add(socket);
    socket.on("close", () => this.#inbound.delete(socket));
    this.#server.emit("connection", socket);
  }

  /** Rejects when neither the peer's name on this machine nor an address leads to it. */
  async connect({ addresses, localName }: Whereabouts, key: LinkKey, o: Waiting): Promise<Socket> {
    const { signal } = o;
    const local = this.#local && localName && (await connectLocally(localName, key, o));
    if (local) return local;
    const failures: string[] = [];
    for (const address of addresses) {
      signal.throwIfAborted();
      try {
        return await connect(address, key, signal);
      } catch (error) {
        failures.push(`${address}: ${messageOf(error)}`);
      }
    }
    throw new Error(failures.join("; ") || "no address of the peer is known");
  }

  #onSecure(socket: tls.TLSSocket): void {
    const grant = this.#granted.get(socket);
    if (!grant) {
      socket.destroy();
      return;
    }
    prepare(socket);
    this.onLink(socket, grant);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#inbound) socket.destroy();
    await this.#local?.[Symbol.asyncDispose]();
  }
}

async function connect(
  address: Multiaddr,
  { identity, key }: LinkKey,
  signal: AbortSignal,
): Promise<Socket> {
  const { host, port } = getNetConfig(address);
  if (port === undefined) throw new Error("it has no port");
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const reads = new LinkReads();
  const socket = tls.connect({
    ...TLS,
    host,
    port,
    // Whoever has the key is the peer.
    checkServerIdentity: () => undefined,
    pskCallback: () => ({ identity, psk: key }),
    ...{ onread: reads.onread }, // Node's types do not know it here.
  });
  reads.bind(socket);
  const onAbort = (): void => reject(signal.reason);
  const onTimeout = (): void => reject(new Error(`no answer in ${HANDSHAKE_TIMEOUT_MS} ms`));
  signal.addEventListener("abort", onAbort);
  socket.setTimeout(HANDSHAKE_TIMEOUT_MS, onTimeout);
  socket.once("secureConnect", resolve).on("error", reject);
  socket.once("close", () => reject(new Error("the peer closed the connection")));
  try {
    await promise;
    socket.setTimeout(0);
    prepare(socket);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function prepare(socket: tls.TLSSocket): void {
  socket.setNoDelay(true);
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
}
