import type { ManifestDigest } from "../core/digest.ts";
import type { ModelRecord } from "../core/model.ts";
import type { NodeId } from "../core/node-id.ts";
import type { Holder, KnownModel, LocalReplicaChange } from "../core/ports.ts";
import type { ReplicaList } from "./replica-lists.ts";

interface Entry {
  readonly record: ModelRecord;
  readonly state: Holder["state"];
  readonly sinceMs: number;
}
interface NodeReplicas {
  version: bigint;
  readonly byName: Map<string, Entry>;
}

/**
 * Who holds what, from announcements and whole lists. Each node is the one writer of its own list: each change raises the
 * list's version by one, so a gap shows that an announcement was missed, and the whole list is fetched.
 */
export class ReplicaLedger {
  readonly #self: NodeId;
  readonly #nodes = new Map<NodeId, NodeReplicas>();

  /** The boot number in the upper half keeps versions growing over restarts. */
  constructor(self: NodeId, boot: bigint) {
    this.#self = self;
    this.#nodes.set(self, { version: boot << 32n, byName: new Map() });
  }

  version(node: NodeId): bigint {
    return this.#nodes.get(node)?.version ?? -1n;
  }

  /** Our own change; returns the list's new version, or undefined when nothing is new. */
  announce(change: LocalReplicaChange, nowMs: number): bigint | undefined {
    const own = this.#nodes.get(this.#self);
    if (!own) return undefined;
    const before = own.byName.get(nameOf(change));
    if (change.state === "removed" && !before) return undefined;
    if (change.state !== "removed" && before?.state === change.state) {
      if (JSON.stringify(before.record) === JSON.stringify(change.record)) return undefined;
    }
    apply(own.byName, change, nowMs);
    own.version++;
    return own.version;
  }

  /** Another node's change. "gap": its whole list is needed. */
  take(
    node: NodeId,
    version: bigint,
    change: LocalReplicaChange,
    nowMs: number,
  ): "taken" | "old" | "gap" {
    if (node === this.#self) return "old";
    const known = this.#nodes.get(node);
    if (!known || version > known.version + 1n) return "gap";
    if (version <= known.version) return "old";
    apply(known.byName, change, nowMs);
    known.version = version;
    return "taken";
  }

  replace(node: NodeId, list: ReplicaList, nowMs: number): void {
    const byName = new Map<string, Entry>();
    for (const change of list.replicas) apply(byName, change, nowMs);
    if (node !== this.#self) this.#nodes.set(node, { version: list.version, byName });
  }

  forget(node: NodeId): void {
    if (node !== this.#self) this.#nodes.delete(node);
  }

  ownList(): ReplicaList {
    const own = this.#nodes.get(this.#self);
    const replicas = [...(own?.byName.values() ?? [])];
    return {
      version: own?.version ?? 0n,
      replicas: replicas.map(({ record, state }) => ({ state, record })),
    };
  }

  all(nowMs: number): { readonly record: ModelRecord; readonly holder: Holder }[] {
    return [...this.#nodes].flatMap(([node, { byName }]) =>
      [...byName.values()].map(({ record, state, sinceMs }) => ({
        record,
        holder: { node, state, ageMs: nowMs - sinceMs },
      })),
    );
  }

  holders(model: ManifestDigest, nowMs: number): readonly Holder[] {
    const holders = new Map<NodeId, Holder>();
    for (const { record, holder } of this.all(nowMs)) {
      // Two names of one manifest on one node: it is held if either is.
      const isBetter = holder.state === "ready" || !holders.has(holder.node);
      if (record.manifest === model && isBetter) holders.set(holder.node, holder);
    }
    return [...holders.values()];
  }

  models(nowMs: number): readonly KnownModel[] {
    const byName = new Map<string, Map<ManifestDigest, ModelRecord>>();
    const own = new Map<string, ManifestDigest>();
    for (const { record, holder } of this.all(nowMs)) {
      const key = record.name.toLowerCase();
      const manifests = byName.get(key) ?? new Map<ManifestDigest, ModelRecord>();
      byName.set(key, manifests);
      if (!manifests.has(record.manifest)) manifests.set(record.manifest, record);
      if (holder.node === this.#self) own.set(key, record.manifest);
    }
    return [...byName].flatMap(([key, manifests]): KnownModel[] => {
      const candidates = [...manifests.values()].map((record) => ({
        record,
        holders: this.holders(record.manifest, nowMs),
      }));
      const rank = (model: KnownModel): number =>
        model.record.manifest === own.get(key)
          ? Number.POSITIVE_INFINITY
          : model.holders.filter(({ state }) => state === "ready").length;
      const best = candidates.sort(
        (a, b) => rank(b) - rank(a) || (a.record.manifest < b.record.manifest ? -1 : 1),
      )[0];
      return best ? [best] : [];
    });
  }
}

function nameOf(change: LocalReplicaChange): string {
  return (change.state === "removed" ? change.name : change.record.name).toLowerCase();
}

function apply(byName: Map<string, Entry>, change: LocalReplicaChange, sinceMs: number): void {
  if (change.state === "removed") byName.delete(nameOf(change));
  else byName.set(nameOf(change), { record: change.record, state: change.state, sinceMs });
}
