import type { BlobDigest, ManifestDigest } from "./digest.ts";
import type { Progress } from "./management.ts";
import type { ModelName } from "./model-name.ts";
import type { Waiting } from "./ports.ts";

export interface RegistryRequest {
  readonly name: ModelName;
  /** Plain HTTP instead of HTTPS. */
  readonly insecure: boolean;
  /** What the name was written with: `http` is refused unless `insecure`. */
  readonly scheme?: string;
}

/** Models from and to registries of Ollama's and OCI's kind. Errors are ManagementErrors. Owner: oci. */
export interface Distribution {
  /** Ollama's status lines; the last one is `success`, with the manifest's digest. What has come stays when it is cut off. */
  pull(request: RegistryRequest, o: Waiting): AsyncIterable<Progress>;
  /** The model of this name in this node's store. */
  push(request: RegistryRequest, o: Waiting): AsyncIterable<Progress>;
}

/** The names of a store. Owner: blobs. */
export interface ManifestShelf {
  /** The bytes as they are, whether the model is whole or not. */
  manifestOf(name: ModelName, o: Waiting): Promise<Uint8Array | undefined>;
  /**
   * Gives the name to this manifest, whose blobs must all be here, and removes those that only the manifest before it needed.
   * Says how many went.
   */
  install(
    name: ModelName,
    manifest: Uint8Array,
    o: Waiting,
  ): Promise<{ readonly digest: ManifestDigest; readonly removed: number }>;
  /** Until disposed these blobs stay, also while no manifest names them. */
  reserve(digests: Iterable<BlobDigest>): Disposable;
}

/** The files of models, wherever in the cluster they are. Owner: replication. */
export interface ClusterFiles {
  /** The bytes of a manifest that this node or another one holds. */
  manifest(model: ManifestDigest, o: Waiting): Promise<Uint8Array | undefined>;
  /** A blob that belongs to one of these models. */
  blob(
    digest: BlobDigest,
    models: readonly ManifestDigest[],
    o: Waiting,
  ): Promise<ClusterBlob | undefined>;
}

export interface ClusterBlob {
  readonly sizeBytes: number;
  /** From `start` up to, not including, `end`. */
  read(
    range: { readonly start: number; readonly end: number },
    o: Waiting,
  ): AsyncIterable<Uint8Array>;
}
