import type { PeerProtocol } from "../core/ports.ts";

export interface ProtocolPolicy {
  /** Admitted: completed the handshake with a cluster key, and is not denied. */
  readonly callers: "admitted";
  readonly messageBytesMax: number;
  /** Exchanges at once, each way. The caller refuses the next one itself (BUSY), the callee resets it. */
  readonly exchangesPerPeerMax: number;
  readonly exchangesMax: number;
  /** Streams kept open for the next exchange with a peer. */
  readonly pooledPerPeerMax: number;
  /** How many of a peer's exchanges may go over links, each way; the others, and those before the first link, over libp2p. */
  readonly linksPerPeerMax: number;
  /** An unused stream is closed by the side that opened it. */
  readonly idleMs: number;
  /** A side that waits this long for one message, or to be rid of one, gives the exchange up. */
  readonly stallMs: number;
}

/**
 * Who may call what, and how much of it.
 *
 * The router watches inference itself, with what it has learned of the model; here is the outermost bound, longer than a
 * large model takes to load.
 */
export const PROTOCOL_POLICIES: Readonly<Record<PeerProtocol, ProtocolPolicy>> = {
  inference: {
    callers: "admitted",
    // Base64 of the images and sounds that one request may carry, and what is said of them.
    messageBytesMax: 36 * 1_024 ** 2,
    exchangesPerPeerMax: 512,
    exchangesMax: 4_096,
    pooledPerPeerMax: 64,
    linksPerPeerMax: 64,
    idleMs: 30_000,
    stallMs: 900_000,
  },
  blob: {
    callers: "admitted",
    messageBytesMax: 4 * 1_024 ** 2,
    exchangesPerPeerMax: 16,
    exchangesMax: 256,
    pooledPerPeerMax: 4,
    linksPerPeerMax: 4,
    idleMs: 30_000,
    stallMs: 60_000,
  },
  replicas: {
    callers: "admitted",
    messageBytesMax: 64 * 1_024,
    exchangesPerPeerMax: 4,
    exchangesMax: 128,
    pooledPerPeerMax: 1,
    linksPerPeerMax: 0,
    idleMs: 30_000,
    stallMs: 10_000,
  },
  probe: {
    callers: "admitted",
    messageBytesMax: 4_096,
    exchangesPerPeerMax: 16,
    exchangesMax: 1_024,
    pooledPerPeerMax: 2,
    linksPerPeerMax: 0,
    // Longer than it takes to come round to a peer again in a cluster of a hundred.
    idleMs: 120_000,
    stallMs: 10_000,
  },
  manage: {
    callers: "admitted",
    messageBytesMax: 16 * 1_024 ** 2,
    exchangesPerPeerMax: 16,
    exchangesMax: 256,
    pooledPerPeerMax: 1,
    linksPerPeerMax: 0,
    idleMs: 30_000,
    // A copy waits for one that hashes a large file.
    stallMs: 300_000,
  },
  link: {
    callers: "admitted",
    messageBytesMax: 4_096,
    exchangesPerPeerMax: 4,
    exchangesMax: 1_024,
    pooledPerPeerMax: 1,
    linksPerPeerMax: 0,
    idleMs: 30_000,
    stallMs: 10_000,
  },
};

/** The callee waits longer than the caller, so that no stream is taken from a pool just as the other side closes it. */
export const CALLEE_IDLE_FACTOR = 3;
