import type { ManifestDigest } from "../core/digest.ts";
import type { ModelRecord } from "../core/model.ts";
import type { LocalReplicaChange } from "../core/ports.ts";

/** What the store has told others of a model. */
export interface KnownModel {
  readonly state: "ready" | "failed";
  readonly record: ModelRecord;
}

/** What a scan found under a name. */
export interface FoundModel {
  readonly manifest: ManifestDigest;
  /** Set when everything the manifest names is here, whole and readable. */
  readonly record?: ModelRecord;
}

/**
 * What is known after a scan, and what to tell. A model that was never whole is not told of: its files may still be coming.
 * One that was ready and lost a file has failed, until it is whole again or its manifest goes.
 */
export function updateKnown(
  before: ReadonlyMap<string, KnownModel>,
  found: ReadonlyMap<string, FoundModel>,
): { readonly known: Map<string, KnownModel>; readonly changes: LocalReplicaChange[] } {
  const known = new Map<string, KnownModel>();
  const changes: LocalReplicaChange[] = [];
  for (const [name, { manifest, record }] of found) {
    const old = before.get(name);
    if (record) {
      known.set(name, { state: "ready", record });
      const same = old?.state === "ready" && old.record.manifest === manifest;
      if (!same) changes.push({ state: "ready", record });
    } else if (old?.record.manifest === manifest) {
      known.set(name, { state: "failed", record: old.record });
      if (old.state === "ready") changes.push({ state: "failed", record: old.record });
    }
  }
  for (const name of before.keys()) {
    if (!known.has(name)) changes.push({ state: "removed", name });
  }
  return { known, changes };
}
