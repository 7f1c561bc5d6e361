import { CAPABILITIES, type Capability, type ModelRecord } from "../core/model.ts";
import { parseModelName } from "../core/model-name.ts";
import type { NodeId } from "../core/node-id.ts";
import type { LocalReplicaChange } from "../core/ports.ts";
import {
  type ModelRecord as ModelRecordMessage,
  ReplicaAnnouncementSchema,
  type Replica as ReplicaMessage,
  ReplicaState as WireState,
} from "../gen/ollamamax/v1/mesh_pb.ts";
import { codec, invalid } from "./codec.ts";
import {
  MODEL_FAMILIES_MAX,
  MODEL_NAME_CHARS_MAX,
  MODEL_TEXT_CHARS_MAX,
  RECORD_BYTES_MAX,
} from "./limits.ts";
import {
  atMost,
  digest,
  digestBytes,
  nodeId,
  safeNumber,
  text,
  uint32,
  uint64,
} from "./record-fields.ts";

export interface AnnouncementRecord {
  readonly node: NodeId;
  readonly version: bigint;
  readonly change: LocalReplicaChange;
}

const announcement = codec(ReplicaAnnouncementSchema);

/** At most 4 KB: a model with more families than fit is announced with its first ones. */
export function encodeAnnouncement(record: AnnouncementRecord): Uint8Array {
  const { node, version } = record;
  for (let familiesMax = MODEL_FAMILIES_MAX; familiesMax >= 0; familiesMax--) {
    const replica = toReplicaMessage(record.change, familiesMax);
    const bytes = announcement.encode({ nodeId: node, version, replica });
    if (bytes.length <= RECORD_BYTES_MAX) return bytes;
  }
  throw new Error("a replica announcement of more than 4 KB");
}

/** Throws RECORD_INVALID. An announcement must be its author's own. */
export function decodeAnnouncement(bytes: Uint8Array, author: NodeId): AnnouncementRecord {
  const { nodeId: id, version, replica } = announcement.decode(bytes);
  const node = nodeId("node_id", id);
  if (node !== author) throw invalid("an announcement in another node's name");
  if (!replica) throw invalid("an announcement without a replica");
  return { node, version, change: fromReplicaMessage(replica) };
}

export function toReplicaMessage(change: LocalReplicaChange, familiesMax = MODEL_FAMILIES_MAX) {
  if (change.state === "removed") {
    return { state: WireState.REMOVED, record: { name: change.name } };
  }
  return { state: STATES[change.state], record: toModelMessage(change.record, familiesMax) };
}

export function fromReplicaMessage({ state, record }: ReplicaMessage): LocalReplicaChange {
  if (!record) throw invalid("a replica without its model");
  switch (state) {
    case WireState.REMOVED:
      return { state: "removed", name: modelName(record.name) };
    case WireState.SYNCING:
      return { state: "syncing", record: fromModelMessage(record) };
    case WireState.READY:
      return { state: "ready", record: fromModelMessage(record) };
    case WireState.FAILED:
      return { state: "failed", record: fromModelMessage(record) };
    default:
      throw invalid(`state has the unknown value ${state}`);
  }
}

const STATES = {
  syncing: WireState.SYNCING,
  ready: WireState.READY,
  failed: WireState.FAILED,
} as const;

function toModelMessage(record: ModelRecord, familiesMax: number) {
  const { details } = record;
  const short = (value: string): string => value.slice(0, MODEL_TEXT_CHARS_MAX);
  return {
    name: record.name,
    manifest: digestBytes(record.manifest),
    sizeBytes: uint64(record.sizeBytes),
    modifiedAtMs: uint64(record.modifiedAtMs),
    details: {
      parentModel: short(details.parentModel),
      format: short(details.format),
      family: short(details.family),
      families: details.families.slice(0, familiesMax).map(short),
      parameterSize: short(details.parameterSize),
      quantizationLevel: short(details.quantizationLevel),
      ...(details.contextLength !== undefined && { contextLength: uint32(details.contextLength) }),
      ...(details.embeddingLength !== undefined && {
        embeddingLength: uint32(details.embeddingLength),
      }),
    },
    capabilities: [...record.capabilities],
  };
}

function fromModelMessage(message: ModelRecordMessage): ModelRecord {
  const { details } = message;
  const part = (field: string, value = ""): string => text(field, value, MODEL_TEXT_CHARS_MAX);
  return {
    name: modelName(message.name),
    manifest: digest("manifest", message.manifest),
    sizeBytes: safeNumber("size_bytes", message.sizeBytes),
    modifiedAtMs: safeNumber("modified_at_ms", message.modifiedAtMs),
    details: {
      parentModel: part("parent_model", details?.parentModel),
      format: part("format", details?.format),
      family: part("family", details?.family),
      families: atMost("families", details?.families ?? [], MODEL_FAMILIES_MAX).map((family) =>
        part("families", family),
      ),
      parameterSize: part("parameter_size", details?.parameterSize),
      quantizationLevel: part("quantization_level", details?.quantizationLevel),
      ...(details?.contextLength !== undefined && { contextLength: details.contextLength }),
      ...(details?.embeddingLength !== undefined && { embeddingLength: details.embeddingLength }),
    },
    // Those of a newer version are left out.
    capabilities: atMost("capabilities", message.capabilities, 4 * CAPABILITIES.length).filter(
      isCapability,
    ),
  };
}

function isCapability(value: string): value is Capability {
  return CAPABILITIES.some((capability) => capability === value);
}

function modelName(value: string): string {
  const name = text("name", value, MODEL_NAME_CHARS_MAX);
  if (!parseModelName(name)) throw invalid("name is no model name");
  return name;
}
