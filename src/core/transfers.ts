import type { ManifestDigest } from "./digest.ts";
import type { ModelName } from "./model-name.ts";
import type { NodeId } from "./node-id.ts";
import type { Waiting } from "./ports.ts";

/** A copy of a model to a node, as it is now. */
export interface TransferView {
  readonly model: ManifestDigest;
  readonly name: ModelName;
  /** Zero until the manifest is there. */
  readonly totalBytes: number;
  readonly doneBytes: number;
  readonly bytesPerSecond: number;
  /** Unset while nothing comes. */
  readonly remainingMs?: number;
  readonly runningMs: number;
  readonly sources: readonly SourceView[];
}

export interface SourceView {
  readonly node: NodeId;
  readonly receivedBytes: number;
  readonly bytesPerSecond: number;
}

export interface NodeTransfers {
  readonly node: NodeId;
  readonly transfers: readonly TransferView[];
}

/** What is being copied, in the whole cluster. Owner: management. */
export interface Transfers {
  /** Of nodes that do not answer in time nothing is told. */
  all(o: Waiting & { readonly local: boolean }): Promise<readonly NodeTransfers[]>;
}
