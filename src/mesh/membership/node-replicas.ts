import type { ModelRecord } from "../../core/model.ts";
import type { Holder, LocalReplicaChange } from "../../core/ports.ts";

/** As many as a fetched list may have. */
const REPLICAS_PER_NODE_MAX = 10_000;

export interface HeldReplica {
  readonly record: ModelRecord;
  readonly state: Holder["state"];
  /** When we were told, by our own clock. */
  readonly sinceMs: number;
}

/** One node's list, by the models' names, which Ollama compares without regard to case. */
export type NodeReplicas = Map<string, HeldReplica>;

export function nameOf(change: LocalReplicaChange): string {
  return (change.state === "removed" ? change.name : change.record.name).toLowerCase();
}

/** False when the list is full. */
export function apply(list: NodeReplicas, change: LocalReplicaChange, nowMs: number): boolean {
  const name = nameOf(change);
  if (change.state === "removed") list.delete(name);
  else if (list.size >= REPLICAS_PER_NODE_MAX && !list.has(name)) return false;
  else list.set(name, { record: change.record, state: change.state, sinceMs: nowMs });
  return true;
}

/** A fetched list; what it has in common with the old one keeps its age. */
export function replaced(
  old: NodeReplicas,
  changes: readonly LocalReplicaChange[],
  nowMs: number,
): NodeReplicas {
  const list: NodeReplicas = new Map();
  for (const change of changes) {
    const before = old.get(nameOf(change));
    const isKnown =
      change.state !== "removed" &&
      before?.state === change.state &&
      before.record.manifest === change.record.manifest;
    apply(list, change, isKnown ? before.sinceMs : nowMs);
  }
  return list;
}
