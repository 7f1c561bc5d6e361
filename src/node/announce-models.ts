import type { LocalModels, LocalReplicaChange, ReplicaIndex } from "../core/ports.ts";

/** Tells the cluster what this node's folder holds, now and whenever it changes, until disposed. */
export function announceModels(
  models: Pick<LocalModels, "list" | "changes">,
  replicas: Pick<ReplicaIndex, "announce">,
  onChange: () => void,
): AsyncDisposable {
  const stopping = new AbortController();
  // Subscribed before the list is read, so that nothing falls between the two.
  const changes = models.changes({ signal: stopping.signal });
  for (const record of models.list()) replicas.announce({ state: "ready", record });
  onChange();
  const following = follow(changes, replicas, onChange);
  return {
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await following;
    },
  };
}

async function follow(
  changes: AsyncIterable<LocalReplicaChange>,
  replicas: Pick<ReplicaIndex, "announce">,
  onChange: () => void,
): Promise<void> {
  for await (const change of changes) {
    replicas.announce(change);
    onChange();
  }
}
