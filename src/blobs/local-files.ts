import { type BlobDigest, type ManifestDigest, manifestDigestOf } from "../core/digest.ts";
import type { ClusterBlob, ClusterFiles, ManifestShelf } from "../core/distribution.ts";
import { parseModelName } from "../core/model-name.ts";
import type { Waiting } from "../core/ports.ts";
import type { ModelStore } from "./model-store.ts";

/** The files of the models that are in this node's store, for who reads them from anywhere. */
export class LocalFiles implements ClusterFiles {
  readonly #store: Pick<ModelStore, "list" | "stat" | "read">;
  readonly #shelf: Pick<ManifestShelf, "manifestOf">;

  constructor(
    store: Pick<ModelStore, "list" | "stat" | "read">,
    shelf: Pick<ManifestShelf, "manifestOf">,
  ) {
    this.#store = store;
    this.#shelf = shelf;
  }

  async manifest(model: ManifestDigest, o: Waiting): Promise<Uint8Array | undefined> {
    for (const record of this.#store.list()) {
      const name = record.manifest === model ? parseModelName(record.name) : undefined;
      const bytes = name && (await this.#shelf.manifestOf(name, o));
      // The name may stand for another one since.
      if (bytes && manifestDigestOf(bytes) === model) return bytes;
    }
    return undefined;
  }

  async blob(digest: BlobDigest): Promise<ClusterBlob | undefined> {
    const found = await this.#store.stat(digest);
    if (!found) return undefined;
    return { ...found, read: (range, o) => this.#store.read(digest, range, o) };
  }
}
