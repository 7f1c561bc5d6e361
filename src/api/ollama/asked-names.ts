import type { ManifestDigest } from "../../core/digest.ts";
import type { ModelRecord } from "../../core/model.ts";

const NAMES_MAX = 1_000;

/**
 * The name by which each model was asked for last on this node. Engines and gossip know models by their manifests, and one
 * manifest may have several names: lists of what is loaded show the one that was used.
 */
export class AskedNames {
  readonly #names = new Map<ManifestDigest, string>();

  remember({ manifest, name }: ModelRecord): void {
    if (this.#names.get(manifest) === name) return;
    this.#names.delete(manifest);
    this.#names.set(manifest, name);
    const [oldest] = this.#names.keys();
    if (this.#names.size > NAMES_MAX && oldest !== undefined) this.#names.delete(oldest);
  }

  /** Of these records of one manifest, the one that was asked for; else the first. */
  choose(records: readonly ModelRecord[]): ModelRecord | undefined {
    const [first] = records;
    const name = first && this.#names.get(first.manifest);
    return records.find((record) => record.name === name) ?? first;
  }
}
