import type { ManifestDigest } from "../../core/digest.ts";
import type { ModelRecord } from "../../core/model.ts";
import type { NodeId } from "../../core/node-id.ts";
import type { Holder, KnownModel } from "../../core/ports.ts";
import type { HeldReplica, NodeReplicas } from "./node-replicas.ts";

interface Candidate {
  readonly record: ModelRecord;
  readonly holders: Map<NodeId, Holder>;
}

type Lists = ReadonlyMap<NodeId, NodeReplicas>;

export function holdersIn(
  lists: Lists,
  manifest: ManifestDigest,
  nowMs: number,
): readonly Holder[] {
  const holders = new Map<NodeId, Holder>();
  for (const [node, list] of lists) {
    for (const replica of list.values()) {
      if (replica.record.manifest === manifest) addHolder(holders, node, replica, nowMs);
    }
  }
  return [...holders.values()];
}

/** One for each name: our own manifest, else the one with most ready holders, else the smallest digest. */
export function modelsIn(lists: Lists, self: NodeId, nowMs: number): readonly KnownModel[] {
  const byManifest = new Map<ManifestDigest, Map<NodeId, Holder>>();
  const byName = new Map<string, Map<ManifestDigest, Candidate>>();
  for (const [node, list] of lists) {
    for (const [name, replica] of list) {
      const { record } = replica;
      const holders = entry(byManifest, record.manifest, () => new Map<NodeId, Holder>());
      addHolder(holders, node, replica, nowMs);
      const candidates = entry(byName, name, () => new Map<ManifestDigest, Candidate>());
      entry(candidates, record.manifest, () => ({ record, holders }));
    }
  }
  const own = lists.get(self);
  return Array.from(byName, ([name, candidates]) => {
    const ownManifest = own?.get(name)?.record.manifest;
    const { record, holders } =
      (ownManifest && candidates.get(ownManifest)) ??
      [...candidates.values()].reduce((a, b) => (isBetter(b, a) ? b : a));
    return { record, holders: [...holders.values()] };
  });
}

export function replicasIn(
  lists: Lists,
  nowMs: number,
): readonly { readonly record: ModelRecord; readonly holder: Holder }[] {
  return [...lists].flatMap(([node, list]) =>
    Array.from(list.values(), (replica) => ({
      record: replica.record,
      holder: holderOf(node, replica, nowMs),
    })),
  );
}

/** A node may hold a manifest under several names: it is ready when one of them is. */
function addHolder(
  holders: Map<NodeId, Holder>,
  node: NodeId,
  replica: HeldReplica,
  nowMs: number,
): void {
  const before = holders.get(node);
  if (!before || (before.state !== "ready" && replica.state === "ready")) {
    holders.set(node, holderOf(node, replica, nowMs));
  }
}

function holderOf(node: NodeId, { state, sinceMs }: HeldReplica, nowMs: number): Holder {
  return { node, state, ageMs: Math.max(0, nowMs - sinceMs) };
}

function isBetter(a: Candidate, b: Candidate): boolean {
  const [readyA, readyB] = [readyCount(a), readyCount(b)];
  return readyA > readyB || (readyA === readyB && a.record.manifest < b.record.manifest);
}

function readyCount({ holders }: Candidate): number {
  let count = 0;
  for (const { state } of holders.values()) count += Number(state === "ready");
  return count;
}

function entry<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
