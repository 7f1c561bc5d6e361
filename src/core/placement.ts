import type { ManifestDigest } from "./digest.ts";
import type { NodeId } from "./node-id.ts";
import type { Waiting } from "./ports.ts";

/** A replica as its node recorded it last. */
export interface RecordedReplica {
  readonly node: NodeId;
  readonly name: string;
  readonly model: ManifestDigest;
  readonly sizeBytes: number;
  readonly state: "syncing" | "ready" | "failed";
  /** By a copy of ours; nobody imported, pulled or made it there. */
  readonly placed: boolean;
}

/** What placement needs of the registry. Owner: registry. */
export interface PlacementRecords {
  /** Of nodes that have not been gone for long. */
  replicas(o: Waiting): Promise<readonly RecordedReplica[]>;
  /** By name; names without a wish of their own are left out. */
  wanted(o: Waiting): Promise<ReadonlyMap<string, number | "all">>;
}

/** Sets how many replicas a model should have. Owner: registry. */
export interface ReplicaWishes {
  /** False: the registry knows no such model. Undefined: as many as the cluster's default says. */
  setWanted(name: string, wanted: number | "all" | undefined, o: Waiting): Promise<boolean>;
}
