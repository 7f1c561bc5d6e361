import type { Multiaddr } from "@multiformats/multiaddr";
import type { Clock } from "../core/clock.ts";
import { noMetrics } from "../core/metrics.ts";
import { type NodeId, parseNodeId } from "../core/node-id.ts";
import type { NodeChange } from "../core/ports.ts";
import { configuredAddress, peerIdOf } from "./addresses.ts";
import { nextBoot } from "./boot-counter.ts";
import { Detection } from "./detection.ts";
import { Discovery } from "./discovery.ts";
import { Gater } from "./gater.ts";
import { Gossip, TOPICS } from "./gossip.ts";
import { GossipStreams } from "./gossip-streams.ts";
import { Heartbeats } from "./heartbeats.ts";
import { KeyMismatches } from "./key-mismatches.ts";
import { KeyedNoise } from "./keyed-noise.ts";
import { type MeshLibp2p, makeLibp2p, startLibp2p } from "./libp2p.ts";
import { Links } from "./links.ts";
import { LiveView } from "./live-view.ts";
import { Membership } from "./membership/membership.ts";
import { ReplicaTable } from "./membership/replica-table.ts";
import type { GossipRecord } from "./membership-records.ts";
import { countHeartbeats, type HeartbeatCounts } from "./mesh-metrics.ts";
import type { MeshDeps, MeshOptions } from "./mesh-options.ts";
import { PooledStreams } from "./pooled-streams.ts";
import { Prober } from "./prober.ts";
import { Replicas } from "./replicas.ts";

/** The boot number is the upper half of an incarnation, and of a replica list's version. */
const BOOT_SHIFT = 32n;
const ADDRESSES_AGE_MAX_MS = 1_000;

/** What a mesh is made of. */
export interface MeshParts {
  readonly libp2p: MeshLibp2p;
  readonly noise: KeyedNoise;
  readonly gater: Gater;
  readonly mismatches: KeyMismatches;
  readonly membership: Membership;
  readonly discovery: Discovery;
  readonly streams: PooledStreams;
  readonly prober: Prober;
  readonly detection: Detection;
  readonly heartbeats: Heartbeats;
  readonly counted: HeartbeatCounts;
  readonly view: LiveView;
  readonly replicas: Replicas;
}

type Transport = Pick<MeshParts, "libp2p" | "noise" | "gater" | "mismatches" | "streams">;

export async function openParts(
  options: MeshOptions,
  deps: MeshDeps,
  stack: AsyncDisposableStack,
): Promise<MeshParts> {
  const boot = await nextBoot(options.stateDir, deps);
  const bootstrapPeers = options.bootstrapPeers.map((text) =>
    configuredAddress("OLLAMA_BOOTSTRAP_PEERS", text),
  );
  const isExpected: (address: Multiaddr) => boolean = (address) =>
    parts.discovery.isExpected(address);
  const transport = await openTransport(options, deps, isExpected, stack);
  const parts = wire({ stateDir: options.stateDir, bootstrapPeers }, boot, transport, deps, stack);
  return parts;
}

async function openTransport(
  options: MeshOptions,
  deps: MeshDeps,
  isExpected: (address: Multiaddr) => boolean,
  stack: AsyncDisposableStack,
): Promise<Transport> {
  const { clock, log, identity } = deps;
  for (const text of options.announceAddresses) {
    configuredAddress("OLLAMA_ANNOUNCE_ADDRESSES", text);
  }
  const gater = new Gater(options.denied);
  const mismatches = new KeyMismatches(log, isExpected, deps.onKeyMismatch ?? (() => {}));
  const noise = new KeyedNoise(options.clusterKeys, (connection) => mismatches.observe(connection));
  await using opening = new AsyncDisposableStack();
  const links = opening.use(await Links.open({ local: options.localLinks }, { clock, log }));
  const libp2p = await makeLibp2p(
    { ...options, topics: TOPICS },
    { identity, gater, noise, links },
  );
  // Links come in at libp2p's port, whose end waits for theirs.
  stack.defer(async () => await libp2p.stop());
  stack.use(opening.move());
  const isDenied = (node: NodeId): boolean => gater.isDenied(node);
  const streams = stack.use(await PooledStreams.open({ libp2p, links, clock, log, isDenied }));
  await startLibp2p(libp2p, options);
  stack.use(GossipStreams.open({ ...deps, libp2p }));
  return { libp2p, noise, gater, mismatches, streams };
}

/**
 * Puts the parts together. They know each other both ways, so callbacks name parts that are made further down: nothing
 * here waits, and none of the parts calls back while it is being made.
 */
function wire(
  options: { readonly stateDir: string; readonly bootstrapPeers: readonly Multiaddr[] },
  boot: bigint,
  transport: Transport,
  deps: MeshDeps,
  stack: AsyncDisposableStack,
): MeshParts {
  const { clock, random, log, identity } = deps;
  const { libp2p, streams, gater, mismatches } = transport;
  const isDenied = (node: NodeId): boolean => gater.isDenied(node);
  const membership = new Membership(
    { incarnation: boot << BOOT_SHIFT },
    { self: identity.nodeId, random },
  );
  const table = new ReplicaTable(
    { version: boot << BOOT_SHIFT },
    { self: identity.nodeId, random },
  );
  const addresses = addressesOf(libp2p, clock);
  const self = () => ownRecord(deps, addresses(), membership, table);
  const view = new LiveView({
    clock,
    self,
    membership,
    observe: (node, evidence) => detection.handle({ type: "evidence", node, evidence }),
  });
  const counted = countHeartbeats(deps.metrics ?? noMetrics);
  const gossip = Gossip.open({
    pubsub: libp2p.services.pubsub,
    log,
    isDenied,
    handlers: {
      heartbeats: (record, author) => take(record, author, parts),
      replicas: (record) => replicas.take(record),
    },
  });
  const heartbeats = stack.use(
    Heartbeats.open({
      ...{ clock, random, log, gossip, self, onSent: counted.sent },
      nodeCount: () => view.nodes().length,
    }),
  );
  const replicas = stack.use(
    Replicas.open({
      ...{ clock, log, table, streams, gossip },
      self: identity.nodeId,
      onAnnounced: () => heartbeats.touch(),
    }),
  );
  const prober = stack.use(
    new Prober({
      clock,
      streams,
      incarnation: () => membership.incarnation,
      onAboutUs: (update, from) => detection.handle({ type: "update", update, from }),
      onHeard: (node) => detection.handle({ type: "evidence", node, evidence: "served" }),
    }),
  );
  const detection = stack.use(
    Detection.open({
      clock,
      membership,
      prober,
      publishHeartbeat: () => heartbeats.touch(),
      publishUpdate: (update) => heartbeats.pass([update]),
      onChange: (node, kind) => applyChange(node, kind, parts),
      onForgotten: (node) => replicas.forget(node),
    }),
  );
  const isGone = (node: NodeId): boolean => isDenied(node) || membership.healthOf(node) === "left";
  const discovery = stack.use(
    Discovery.open(options, {
      ...{ libp2p, clock, random, log, isGone },
      self: identity.nodeId,
      directory: deps.directory,
    }),
  );
  const parts = {
    ...transport,
    counted,
    membership,
    discovery,
    prober,
    detection,
    heartbeats,
    view,
    replicas,
  };
  listen(parts, mismatches);
  return parts;
}

/** What we say of ourselves, now. */
function ownRecord(
  { identity, report }: MeshDeps,
  multiaddrs: readonly string[],
  membership: Membership,
  table: ReplicaTable,
) {
  return {
    node: identity.nodeId,
    incarnation: membership.incarnation,
    report: report(),
    multiaddrs,
    replicaVersion: table.version,
  };
}

/** Every request asks who we are, and libp2p looks through all interfaces for it: so at most once a second. */
function addressesOf(libp2p: MeshLibp2p, clock: Clock): () => readonly string[] {
  let known: readonly string[] = [];
  let knownMs = 0;
  return () => {
    const nowMs = clock.nowMs();
    if (known.length === 0 || nowMs - knownMs > ADDRESSES_AGE_MAX_MS) {
      known = libp2p.getMultiaddrs().map(String);
      knownMs = nowMs;
    }
    return known;
  };
}

/** What libp2p tells of connections. */
function listen({ libp2p, detection, heartbeats }: MeshParts, mismatches: KeyMismatches) {
  libp2p.addEventListener("peer:connect", ({ detail }) => {
    mismatches.forget(detail.toString());
    const node = parseNodeId(detail.toString());
    if (node) detection.handle({ type: "connected", node });
  });
  libp2p.addEventListener("peer:disconnect", ({ detail }) => {
    const node = parseNodeId(detail.toString());
    if (node) detection.handle({ type: "disconnected", node });
  });
  // A peer that can hear us now shall not wait for our next heartbeat.
  libp2p.services.pubsub.addEventListener("subscription-change", () => heartbeats.touch());
}

function take({ heartbeat, updates }: GossipRecord, author: NodeId, parts: MeshParts): void {
  const { detection, membership, discovery, gater, replicas } = parts;
  if (heartbeat) {
    parts.counted.received();
    const { node, multiaddrs, replicaVersion } = heartbeat;
    detection.handle({ type: "heartbeat", heartbeat });
    discovery.learn(node, multiaddrs);
    if (isThere(membership, node)) replicas.compare(node, replicaVersion);
  }
  for (const update of updates) {
    if (gater.isDenied(update.node)) continue;
    detection.handle({ type: "update", update, from: author });
    if (isThere(membership, update.node)) discovery.learn(update.node, update.multiaddrs);
  }
}

function applyChange(node: NodeId, kind: NodeChange["kind"], parts: MeshParts): void {
  parts.view.publish(node, kind);
  if (kind === "failed" || kind === "left") parts.replicas.forget(node);
  if (kind !== "failed") return;
  // Whoever waits for it must learn that it is in vain; if it was only frozen, it dials again.
  for (const connection of parts.libp2p.getConnections(peerIdOf(node))) {
    connection.abort(new Error("the peer has failed"));
  }
}

function isThere(membership: Membership, node: NodeId): boolean {
  const health = membership.healthOf(node);
  return health === "alive" || health === "suspect";
}
