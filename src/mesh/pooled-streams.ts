import type { Connection, Stream } from "@libp2p/interface";
import type { Clock } from "../core/clock.ts";
import { InferenceError, messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { type NodeId, parseNodeId } from "../core/node-id.ts";
import {
  PEER_PROTOCOLS,
  type PeerProtocol,
  type PeerStream,
  type PeerStreams,
  type Waiting,
} from "../core/ports.ts";
import { withTimeout } from "../core/with-timeout.ts";
import { peerIdOf } from "./addresses.ts";
import { StreamCarrier } from "./carrier.ts";
import { Channel } from "./channel.ts";
import { Exchange } from "./exchange.ts";
import { ExchangeLimits } from "./exchange-limits.ts";
import type { MeshLibp2p } from "./libp2p.ts";
import { type LinkCounts, LinkOpener } from "./link-opener.ts";
import type { Links } from "./links.ts";
import { CALLEE_IDLE_FACTOR, PROTOCOL_POLICIES } from "./protocol-policy.ts";
import { StreamPool } from "./stream-pool.ts";

export interface PooledStreamsDeps {
  readonly libp2p: Pick<
    MeshLibp2p,
    | "dial"
    | "getConnections"
    | "getMultiaddrs"
    | "handle"
    | "unhandle"
    | "addEventListener"
    | "removeEventListener"
  >;
  /** Without them everything goes over libp2p. */
  readonly links?: Links;
  readonly clock: Clock;
  readonly log: Logger;
  readonly isDenied: (node: NodeId) => boolean;
}

type Handler = (stream: PeerStream) => Promise<void>;

/** Dialling and the choice of the protocol together. */
const OPEN_TIMEOUT_MS = 5_000;
const SWEEP_INTERVAL_MS = 1_000;
/** A callee that has ended waits so long for the caller's end before it gives the stream up. */
const LINGER_MS = 5_000;

/**
 * Exchanges of messages with peers over channels that are used again: a new libp2p stream costs 1–3 ms. What a peer gets
 * often goes over links, which are made meanwhile: no exchange waits for one.
 */
export class PooledStreams implements PeerStreams, AsyncDisposable {
  readonly #deps: PooledStreamsDeps;
  readonly #handlers = new Map<PeerProtocol, Handler>();
  readonly #pool = new StreamPool();
  readonly #outbound = new ExchangeLimits();
  readonly #inbound = new ExchangeLimits();
  readonly #exchanges = new Map<Exchange, PeerProtocol>();
  /** Streams that peers opened, and since when each has been waiting for its next exchange. */
  readonly #accepted = new Map<Channel, { idleSinceMs: number; readonly protocol: PeerProtocol }>();
  readonly #stopping = new AbortController();
  readonly #serving = new Set<Promise<void>>();
  readonly #links: LinkOpener | undefined;
  #sweeping = Promise.resolve();

  private constructor(deps: PooledStreamsDeps) {
    this.#deps = deps;
    const { links } = deps;
    this.#links =
      links &&
      new LinkOpener({
        ...{ ...deps, links, streams: this },
        onOpened: (channel, node, protocol) =>
          this.#pool.put(node, protocol, channel, deps.clock.nowMs()),
        onAccepted: (channel, node, protocol) => this.#accept(protocol, channel, node),
      });
  }

  static async open(deps: PooledStreamsDeps): Promise<PooledStreams> {
    const streams = new PooledStreams(deps);
    for (const protocol of protocols()) {
      const max = PROTOCOL_POLICIES[protocol].exchangesPerPeerMax;
      await deps.libp2p.handle(
        PEER_PROTOCOLS[protocol],
        (stream, connection) => streams.#acceptStream(protocol, stream, connection),
        { maxInboundStreams: 2 * max, maxOutboundStreams: 2 * max },
      );
    }
    streams.#sweeping = streams.#sweepLoop();
    return streams;
  }

  async open(node: NodeId, protocol: PeerProtocol, { signal }: Waiting): Promise<PeerStream> {
    signal.throwIfAborted();
    this.#stopping.signal.throwIfAborted();
    if (this.#deps.isDenied(node)) throw unreachable(node, new Error("it is on the deny list"));
    if (!this.#outbound.tryTake(protocol, node)) {
      throw new InferenceError("BUSY", `too many ${protocol} exchanges with ${node} at once`);
    }
    try {
      const pooled = this.#pool.take(node, protocol);
      if (pooled?.kind !== "link") this.#links?.want(node, protocol);
      const channel = pooled ?? (await this.#newChannel(node, protocol, signal));
      return this.#exchange(channel, node, protocol, (clean) => {
        this.#outbound.release(protocol, node);
        if (clean) this.#pool.put(node, protocol, channel, this.#deps.clock.nowMs());
      });
    } catch (error) {
      this.#outbound.release(protocol, node);
      throw error;
    }
  }

  /** How many there are now, by who made them. */
  links(): LinkCounts {
    return this.#links?.counts() ?? { out: 0, in: 0 };
  }

  handle(protocol: PeerProtocol, handler: Handler): Disposable {
    this.#handlers.set(protocol, handler);
    return {
      [Symbol.dispose]: () => {
        if (this.#handlers.get(protocol) === handler) this.#handlers.delete(protocol);
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const reason = new InferenceError("STREAM_BROKEN", "this node is leaving the mesh");
    this.#stopping.abort(reason);
    for (const protocol of protocols()) await this.#deps.libp2p.unhandle(PEER_PROTOCOLS[protocol]);
    await this.#links?.[Symbol.asyncDispose]();
    this.#pool.clear();
    for (const exchange of this.#exchanges.keys()) exchange.break(reason);
    for (const channel of this.#accepted.keys()) channel.reset(reason);
    await Promise.all(this.#serving);
    await this.#sweeping;
  }

  async #newChannel(node: NodeId, protocol: PeerProtocol, signal: AbortSignal): Promise<Channel> {
    const policy = PROTOCOL_POLICIES[protocol];
    const onTimeout = (): Error =>
      unreachable(node, new Error(`no answer in ${OPEN_TIMEOUT_MS} ms`));
    return await withTimeout(
      this.#deps.clock,
      { timeoutMs: OPEN_TIMEOUT_MS, signal, onTimeout },
      async (signal) => {
        try {
          const options = { signal, maxOutboundStreams: 2 * policy.exchangesPerPeerMax };
          const stream = await this.#newStream(node, PEER_PROTOCOLS[protocol], options);
          return new Channel(new StreamCarrier(stream), policy.messageBytesMax);
        } catch (cause) {
          signal.throwIfAborted();
          throw unreachable(node, cause);
        }
      },
    );
  }

  /** A connection that looks open may have died while nobody looked, of either node's freeze: then a new one is made. */
  async #newStream(
    node: NodeId,
    protocol: string,
    options: { readonly signal: AbortSignal; readonly maxOutboundStreams: number },
  ): Promise<Stream> {
    const peer = peerIdOf(node);
    const { libp2p } = this.#deps;
    const open = libp2p.getConnections(peer).find(({ status }) => status === "open");
    if (open) {
      try {
        return await open.newStream(protocol, options);
      } catch (error) {
        if (open.status === "open") throw error;
      }
    }
    const dialled = await libp2p.dial(peer, { signal: options.signal });
    return await dialled.newStream(protocol, options);
  }

  #exchange(
    channel: Channel,
    peer: NodeId,
    protocol: PeerProtocol,
    onDone: (clean: boolean) => void,
  ): Exchange {
    const exchange = new Exchange(channel, {
      peer,
      protocol: PEER_PROTOCOLS[protocol],
      messageBytesMax: PROTOCOL_POLICIES[protocol].messageBytesMax,
      nowMs: () => this.#deps.clock.nowMs(),
      onDone: (clean) => {
        this.#exchanges.delete(exchange);
        onDone(clean);
      },
    });
    this.#exchanges.set(exchange, protocol);
    return exchange;
  }

  #acceptStream(protocol: PeerProtocol, stream: Stream, connection: Connection): void {
    const node = parseNodeId(connection.remotePeer.toString());
    if (!node) {
      stream.abort(new Error("not admitted"));
      return;
    }
    const { messageBytesMax } = PROTOCOL_POLICIES[protocol];
    this.#accept(protocol, new Channel(new StreamCarrier(stream), messageBytesMax), node);
  }

  #accept(protocol: PeerProtocol, channel: Channel, node: NodeId): void {
    if (this.#deps.isDenied(node) || this.#stopping.signal.aborted) {
      channel.reset(new Error("not admitted"));
      return;
    }
    this.#accepted.set(channel, { idleSinceMs: Number.POSITIVE_INFINITY, protocol });
    const serving = this.#serve(channel, node, protocol).finally(() => {
      this.#accepted.delete(channel);
      this.#serving.delete(serving);
    });
    this.#serving.add(serving);
  }

  /** One exchange after another, until the peer closes the stream or leaves it unused for too long. */
  async #serve(channel: Channel, node: NodeId, protocol: PeerProtocol): Promise<void> {
    while (await this.#nextExchange(channel)) {
      const handler = this.#handlers.get(protocol);
      if (!handler || this.#deps.isDenied(node) || !this.#inbound.tryTake(protocol, node)) {
        channel.reset(new Error(handler ? "not admitted" : "not served here"));
        return;
      }
      const exchange = this.#exchange(channel, node, protocol, () =>
        this.#inbound.release(protocol, node),
      );
      try {
        await handler(exchange);
        if (exchange.ended && !exchange.peerEnded) await this.#linger(exchange);
      } catch (error) {
        const fields = { node, protocol, error: messageOf(error) };
        this.#deps.log.debug(fields, "an exchange with a peer failed");
      }
      await exchange[Symbol.asyncDispose]();
    }
  }

  /** Resolves true with the first frame of an exchange, false when the channel has broken. */
  #nextExchange(channel: Channel): Promise<boolean> {
    const accepted = this.#accepted.get(channel);
    if (accepted) accepted.idleSinceMs = this.#deps.clock.nowMs();
    return new Promise((resolve) => {
      channel.onEvent = () => {
        if (!channel.readable && !channel.failure) return;
        if (accepted) accepted.idleSinceMs = Number.POSITIVE_INFINITY;
        resolve(channel.readable);
      };
      channel.onEvent();
    });
  }

  /** The handler may be done before the caller's end has arrived: then the stream is good for another exchange. */
  async #linger(exchange: Exchange): Promise<void> {
    const onTimeout = (): Error => new InferenceError("STREAM_BROKEN", "the peer does not end");
    const { signal } = this.#stopping;
    await withTimeout(
      this.#deps.clock,
      { timeoutMs: LINGER_MS, signal, onTimeout },
      async (signal) => {
        while ((await exchange.receive({ signal })) !== null);
      },
    );
  }

  async #sweepLoop(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#deps.clock.sleep(SWEEP_INTERVAL_MS, signal).catch(() => {});
      this.#sweep(this.#deps.clock.nowMs());
    }
  }

  #sweep(nowMs: number): void {
    this.#pool.sweep(nowMs);
    for (const [exchange, protocol] of this.#exchanges) {
      if (exchange.waitingMs(nowMs) < PROTOCOL_POLICIES[protocol].stallMs) continue;
      exchange.break(new InferenceError("STREAM_BROKEN", `${exchange.peer} has gone silent`));
    }
    for (const [channel, { idleSinceMs, protocol }] of this.#accepted) {
      if (nowMs - idleSinceMs > CALLEE_IDLE_FACTOR * PROTOCOL_POLICIES[protocol].idleMs) {
        channel.reset(new Error("unused for too long"));
      }
    }
  }
}

function unreachable(node: NodeId, cause: unknown): InferenceError {
  return new InferenceError("PEER_UNREACHABLE", `cannot reach ${node}: ${messageOf(cause)}`, {
    cause,
  });
}

function protocols(): PeerProtocol[] {
  return Object.keys(PEER_PROTOCOLS).filter((key): key is PeerProtocol => key in PEER_PROTOCOLS);
}
