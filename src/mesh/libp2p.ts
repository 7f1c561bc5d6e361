import { yamux } from "@chainsafe/libp2p-yamux";
import { type GossipSub, gossipsub, StrictSign } from "@libp2p/gossipsub";
import { identify } from "@libp2p/identify";
import type { Libp2p, PeerDiscovery, Topology } from "@libp2p/interface";
import { type KadDHT, kadDHT } from "@libp2p/kad-dht";
import { mdns } from "@libp2p/mdns";
import { ping } from "@libp2p/ping";
import { createLibp2p } from "libp2p";
import { messageOf } from "../core/errors.ts";
import { listenAddress } from "./addresses.ts";
import { MeshError } from "./errors.ts";
import type { Gater } from "./gater.ts";
import type { Identity } from "./identity.ts";
import type { KeyedNoise } from "./keyed-noise.ts";
import { GOSSIP_RPC_BYTES_MAX } from "./limits.ts";
import { INBOUND_LINKS_MAX, type Links } from "./links.ts";
import { tcpWithLinks } from "./shared-port.ts";

export interface Libp2pOptions {
  readonly listenHost: string;
  /** 0: any free port. */
  readonly p2pPort: number;
  /** Multiaddrs to tell peers instead of the addresses of this machine; empty: those. */
  readonly announceAddresses: readonly string[];
  readonly mdns: boolean;
  readonly topics: readonly string[];
}

export interface Libp2pDeps {
  readonly identity: Identity;
  readonly gater: Gater;
  readonly noise: KeyedNoise;
  readonly links: Pick<Links, "accept">;
}

export type MeshLibp2p = Libp2p<{
  identify: ReturnType<ReturnType<typeof identify>>;
  ping: ReturnType<ReturnType<typeof ping>>;
  dht: KadDHT;
  pubsub: GossipSub;
  /** Who is told of connections to peers that speak a protocol. */
  topologies: Topologies;
}>;

type Topologies = (protocol: string) => readonly Topology[];

const CONNECTIONS_MAX = 1_000;
/** Whole clusters sit behind one address, so libp2p's 5 a second would turn most of a starting cluster away. */
const INBOUND_CONNECTIONS_PER_SECOND_AND_HOST_MAX = 500;
const PENDING_CONNECTIONS_MAX = 250;
const STREAMS_PER_CONNECTION_MAX = 2_048;
/**
 * libp2p aborts a paused stream that has received more than its buffer holds, so the window must never grow beyond the
 * buffer. 4 MiB carries 40 MB/s over a path of 100 ms.
 */
const STREAM_WINDOW_BYTES_MAX = 4 * 1_024 ** 2;
const STREAM_BUFFER_BYTES_MAX = 2 * STREAM_WINDOW_BYTES_MAX;

const EMPTY = new Uint8Array();

/** What a libp2p node of ours offers, and every limit that is not libp2p's default. Not started yet. */
export async function makeLibp2p(options: Libp2pOptions, deps: Libp2pDeps): Promise<MeshLibp2p> {
  const libp2p = await createLibp2p({
    start: false,
    privateKey: deps.identity.privateKey,
    nodeInfo: { name: "ollamamax", userAgent: "ollamamax" },
    addresses: {
      listen: [listenAddress(options.listenHost, options.p2pPort)],
      announce: [...options.announceAddresses],
    },
    transports: [
      tcpWithLinks(
        {
          maxConnections: CONNECTIONS_MAX + INBOUND_LINKS_MAX,
          backlog: 511,
          inboundSocketInactivityTimeout: 300_000,
          outboundSocketInactivityTimeout: 300_000,
          dialOpts: { noDelay: true, keepAlive: true },
          listenOpts: { noDelay: true, keepAlive: true },
        },
        (socket) => deps.links.accept(socket),
      ),
    ],
    connectionEncrypters: [deps.noise.encrypter],
    streamMuxers: [
      yamux({
        maxInboundStreams: STREAMS_PER_CONNECTION_MAX,
        maxOutboundStreams: STREAMS_PER_CONNECTION_MAX,
        // A peer may open all of them before our end of the connection has a listener.
        maxEarlyStreams: STREAMS_PER_CONNECTION_MAX,
        streamOptions: {
          maxStreamWindowSize: STREAM_WINDOW_BYTES_MAX,
          maxReadBufferLength: STREAM_BUFFER_BYTES_MAX,
        },
      }),
    ],
    connectionGater: deps.gater,
    connectionManager: {
      maxConnections: CONNECTIONS_MAX,
      maxIncomingPendingConnections: PENDING_CONNECTIONS_MAX,
      inboundConnectionThreshold: INBOUND_CONNECTIONS_PER_SECOND_AND_HOST_MAX,
      maxParallelDials: 32,
      maxDialQueueLength: 1_000,
      maxPeerAddrsToDial: 16,
      dialTimeout: 8_000,
      addressDialTimeout: 3_000,
      inboundUpgradeTimeout: 8_000,
      outboundStreamProtocolNegotiationTimeout: 5_000,
      inboundStreamProtocolNegotiationTimeout: 5_000,
      // Discovery redials, and it knows who has left.
      reconnectRetries: 0,
    },
    // It drops a connection on one missed ping. Whether a peer is alive is the failure detection's to say.
    connectionMonitor: { enabled: false },
    peerDiscovery: options.mdns ? [localDiscovery] : [],
    services: services(options.topics),
  });
  deps.noise.install();
  return libp2p;
}

/** Listens. A port that is taken is named in the error. */
export async function startLibp2p(
  libp2p: MeshLibp2p,
  options: Pick<Libp2pOptions, "listenHost" | "p2pPort">,
): Promise<void> {
  try {
    await libp2p.start();
  } catch (error) {
    throw startError(options, error);
  }
}

function services(topics: readonly string[]) {
  return {
    identify: identify({ timeout: 5_000 }),
    topologies:
      ({ registrar }: { readonly registrar: { readonly getTopologies: Topologies } }): Topologies =>
      (protocol) =>
        registrar.getTopologies(protocol),
    ping: ping({ timeout: 5_000 }),
    dht: kadDHT({
      protocol: "/ollamamax/kad/1",
      clientMode: false,
      // The default keeps public addresses only; a mesh lives on private ones.
      peerInfoMapper: (peer) => peer,
      querySelfInterval: 300_000,
      maxInboundStreams: 32,
      maxOutboundStreams: 64,
    }),
    pubsub: gossipsub({
      allowedTopics: [...topics],
      globalSignaturePolicy: StrictSign,
      allowPublishToZeroTopicPeers: true,
      fallbackToFloodsub: false,
      // The author sends to everyone it is connected to, which in a full mesh is everyone: forwarding is for the rest, and
      // each copy more costs every node a decoding.
      floodPublish: true,
      D: 3,
      Dlo: 2,
      Dhi: 6,
      Dscore: 2,
      Dout: 1,
      Dlazy: 2,
      gossipFactor: 0.1,
      // Before it verifies a signature, gossipsub looks here: most of what arrives in a full mesh has arrived before.
      fastMsgIdFn: ({ from, seqno }) =>
        Buffer.concat([from ?? EMPTY, seqno ?? EMPTY]).toString("latin1"),
      maxInboundDataLength: GOSSIP_RPC_BYTES_MAX,
      maxOutboundBufferSize: 1_024 ** 2,
      maxInboundStreams: 4,
      maxOutboundStreams: 4,
      scoreParams: {
        // Its default silences more than ten nodes behind one address.
        IPColocationFactorWeight: 0,
        // Peers hold the cluster's key; an overloaded one that answers late must not be silenced on top.
        behaviourPenaltyWeight: 0,
      },
    }),
  };
}

function localDiscovery(components: Parameters<ReturnType<typeof mdns>>[0]): PeerDiscovery {
  return mdns({ serviceTag: "_ollamamax._udp.local", interval: 10_000 })(components);
}

function startError(
  options: Pick<Libp2pOptions, "listenHost" | "p2pPort">,
  error: unknown,
): MeshError {
  const text = [error, ...(error instanceof AggregateError ? error.errors : [])]
    .map(messageOf)
    .join("; ");
  const where = `${options.listenHost}:${options.p2pPort}`;
  if (/EADDRINUSE/.test(text)) {
    return new MeshError(
      "PORT_TAKEN",
      `the mesh cannot listen on ${where}: another program uses the port; stop it, or set OLLAMA_P2P_PORT to a free one`,
      { cause: error },
    );
  }
  return new MeshError("LISTEN_FAILED", `the mesh cannot listen on ${where}: ${text}`, {
    cause: error,
  });
}
