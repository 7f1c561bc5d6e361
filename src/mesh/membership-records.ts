import type { LoadedModel } from "../core/inference.ts";
import type { NodeId } from "../core/node-id.ts";
import type { NodeHealth, NodeReport, NodeState } from "../core/node-view.ts";
import {
  type Heartbeat as HeartbeatMessage,
  type LoadedModel as LoadedModelMessage,
  MembershipGossipSchema,
  type MembershipUpdate as MembershipUpdateMessage,
  NodeHealth as WireHealth,
  NodeState as WireState,
} from "../gen/ollamamax/v1/mesh_pb.ts";
import { codec, invalid } from "./codec.ts";
import {
  LOADED_MODELS_MAX,
  MEMBERSHIP_UPDATES_MAX,
  MULTIADDRS_MAX,
  NODE_NAME_CHARS_MAX,
  PLACE_CHARS_MAX,
  RECORD_BYTES_MAX,
  URL_CHARS_MAX,
  VERSION_CHARS_MAX,
} from "./limits.ts";
import {
  atMost,
  digest,
  digestBytes,
  multiaddrs,
  nodeId,
  safeNumber,
  text,
  uint32,
  uint64,
} from "./record-fields.ts";

/** What a node says of itself, at one moment. */
export interface HeartbeatRecord {
  readonly node: NodeId;
  readonly incarnation: bigint;
  readonly sequence: bigint;
  readonly report: NodeReport;
  readonly multiaddrs: readonly string[];
  readonly replicaVersion: bigint;
  readonly ttlMs: number;
}

/** What one node says of another. */
export interface UpdateRecord {
  readonly node: NodeId;
  readonly incarnation: bigint;
  readonly health: NodeHealth;
  readonly multiaddrs: readonly string[];
}

export interface GossipRecord {
  readonly heartbeat?: HeartbeatRecord;
  readonly updates: readonly UpdateRecord[];
}

const TTL_MS_MIN = 1_000;
const TTL_MS_MAX = 600_000;

const STATES = {
  active: WireState.ACTIVE,
  draining: WireState.DRAINING,
  leaving: WireState.LEAVING,
} as const satisfies Record<NodeState, WireState>;

const HEALTHS = {
  alive: WireHealth.ALIVE,
  suspect: WireHealth.SUSPECT,
  failed: WireHealth.FAILED,
  left: WireHealth.LEFT,
} as const satisfies Record<NodeHealth, WireHealth>;

const gossip = codec(MembershipGossipSchema);

/** At most 4 KB: updates that do not fit wait for the next message, then loaded models are left out, the last first. */
export function encodeGossip(record: GossipRecord): Uint8Array {
  const updates = record.updates.slice(0, MEMBERSHIP_UPDATES_MAX).map(toUpdateMessage);
  const loaded = record.heartbeat?.report.loaded.slice(0, LOADED_MODELS_MAX) ?? [];
  for (;;) {
    const heartbeat = record.heartbeat && toHeartbeatMessage(record.heartbeat, loaded);
    const bytes = gossip.encode(heartbeat ? { heartbeat, updates } : { updates });
    if (bytes.length <= RECORD_BYTES_MAX) return bytes;
    if (updates.length > 0) updates.pop();
    else if (loaded.length > 0) loaded.pop();
    else throw new Error(`a heartbeat of ${bytes.length} bytes without models or updates`);
  }
}

/** Throws RECORD_INVALID. A heartbeat must be its author's own. */
export function decodeGossip(bytes: Uint8Array, author: NodeId): GossipRecord {
  const message = gossip.decode(bytes);
  const updates = atMost("updates", message.updates, MEMBERSHIP_UPDATES_MAX).map(fromUpdateMessage);
  if (!message.heartbeat) return { updates };
  const heartbeat = fromHeartbeatMessage(message.heartbeat);
  if (heartbeat.node !== author) throw invalid("a heartbeat in another node's name");
  return { heartbeat, updates };
}

export function toUpdateMessage(update: UpdateRecord) {
  return {
    nodeId: update.node,
    incarnation: update.incarnation,
    health: HEALTHS[update.health],
    multiaddrs: update.multiaddrs.slice(0, MULTIADDRS_MAX),
  };
}

export function fromUpdateMessage(message: MembershipUpdateMessage): UpdateRecord {
  return {
    node: nodeId("node_id", message.nodeId),
    incarnation: message.incarnation,
    health: named("health", HEALTHS, message.health),
    multiaddrs: multiaddrs("multiaddrs", message.multiaddrs),
  };
}

function toHeartbeatMessage(heartbeat: HeartbeatRecord, loaded: readonly LoadedModel[]) {
  const { report } = heartbeat;
  return {
    nodeId: heartbeat.node,
    incarnation: heartbeat.incarnation,
    sequence: heartbeat.sequence,
    state: STATES[report.state],
    load: {
      running: uint32(report.load.running),
      queued: uint32(report.load.queued),
      slots: uint32(report.load.slots),
    },
    loaded: loaded.map((model) => ({
      manifest: digestBytes(model.model),
      sizeBytes: uint64(model.sizeBytes),
      vramBytes: uint64(model.vramBytes),
      contextLength: uint32(model.contextLength),
      ...(Number.isFinite(model.expiresInMs) && { expiresInMs: uint64(model.expiresInMs) }),
    })),
    freeMemoryBytes: uint64(report.freeMemoryBytes),
    freeDiskBytes: uint64(report.freeDiskBytes),
    apiUrl: report.apiUrl.slice(0, URL_CHARS_MAX),
    name: report.name.slice(0, NODE_NAME_CHARS_MAX),
    region: report.region.slice(0, PLACE_CHARS_MAX),
    zone: report.zone.slice(0, PLACE_CHARS_MAX),
    version: report.version.slice(0, VERSION_CHARS_MAX),
    multiaddrs: heartbeat.multiaddrs.slice(0, MULTIADDRS_MAX),
    replicaVersion: heartbeat.replicaVersion,
    ttlMs: uint32(heartbeat.ttlMs),
  };
}

function fromHeartbeatMessage(message: HeartbeatMessage): HeartbeatRecord {
  return {
    node: nodeId("node_id", message.nodeId),
    incarnation: message.incarnation,
    sequence: message.sequence,
    report: {
      name: text("name", message.name, NODE_NAME_CHARS_MAX),
      region: text("region", message.region, PLACE_CHARS_MAX),
      zone: text("zone", message.zone, PLACE_CHARS_MAX),
      version: text("version", message.version, VERSION_CHARS_MAX),
      state: named("state", STATES, message.state),
      load: {
        running: message.load?.running ?? 0,
        queued: message.load?.queued ?? 0,
        slots: message.load?.slots ?? 0,
      },
      loaded: atMost("loaded", message.loaded, LOADED_MODELS_MAX).map(fromLoadedMessage),
      freeMemoryBytes: safeNumber("free_memory_bytes", message.freeMemoryBytes),
      freeDiskBytes: safeNumber("free_disk_bytes", message.freeDiskBytes),
      apiUrl: httpUrl("api_url", message.apiUrl),
    },
    multiaddrs: multiaddrs("multiaddrs", message.multiaddrs),
    replicaVersion: message.replicaVersion,
    ttlMs: Math.min(TTL_MS_MAX, Math.max(TTL_MS_MIN, message.ttlMs)),
  };
}

function fromLoadedMessage(message: LoadedModelMessage): LoadedModel {
  const { expiresInMs } = message;
  return {
    model: digest("loaded.manifest", message.manifest),
    sizeBytes: safeNumber("loaded.size_bytes", message.sizeBytes),
    vramBytes: safeNumber("loaded.vram_bytes", message.vramBytes),
    contextLength: message.contextLength,
    expiresInMs:
      expiresInMs === undefined
        ? Number.POSITIVE_INFINITY
        : safeNumber("loaded.expires_in_ms", expiresInMs),
  };
}

/** Empty until the node's API listens. */
function httpUrl(field: string, value: string): string {
  const url = text(field, value, URL_CHARS_MAX);
  if (url === "" || /^https?:$/.test(URL.parse(url)?.protocol ?? "")) return url;
  throw invalid(`${field} is no HTTP URL`);
}

function named<Name extends string>(
  field: string,
  table: Readonly<Record<Name, number>>,
  value: number,
): Name {
  for (const name in table) {
    if (table[name] === value) return name;
  }
  throw invalid(`${field} has the unknown value ${value}`);
}
