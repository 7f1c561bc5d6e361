import type { ModelRecord } from "../core/model.ts";
import { type Sql, type Transaction, transaction } from "./connect.ts";
import { upsertModel } from "./models.ts";

export interface OwnReplica {
  readonly record: ModelRecord;
  readonly state: "syncing" | "ready" | "failed";
  /** By the cluster: nobody imported, pulled or made it there. */
  readonly placed?: boolean;
  /** What reading it again has shown; unset: it was not read again yet. */
  readonly verdict?: { readonly isSound: boolean; readonly atMs: number };
}

const PATH_LENGTH_MAX = 500;

/**
 * Makes the rows of one node's replicas equal to what it holds, in one transaction: the node is their only writer.
 * What it no longer holds stays as 'deleted'. False, and nothing is written, when the node's row has gone or is of a newer
 * incarnation.
 */
export async function writeOwnReplicas(
  sql: Sql,
  node: { readonly rowId: string; readonly incarnation: bigint },
  replicas: readonly OwnReplica[],
): Promise<boolean> {
  return await transaction(sql, async (tx) => {
    // Locked, so that an old process that is still dying and its successor write one after the other.
    const own = await tx`
      select 1 from nodes where id = ${node.rowId} and incarnation <= ${node.incarnation} for no key update`;
    if (own.length === 0) return false;
    const kept: string[] = [];
    // In the order of names, so that two nodes that write the same models never wait for each other in a circle.
    const ordered = replicas.toSorted((a, b) => (a.record.name < b.record.name ? -1 : 1));
    for (const replica of ordered) {
      const modelId = await upsertModel(tx, replica.record);
      if (modelId === undefined) continue;
      kept.push(modelId);
      await upsertReplica(tx, { ...replica, modelId, nodeRowId: node.rowId });
    }
    await tx`
      update model_replicas set status = 'deleted'
      where node_id = ${node.rowId} and status <> 'deleted' and model_id not in (
        select id::uuid from jsonb_array_elements_text(${tx.json(kept)}) as kept (id))`;
    return true;
  });
}

async function upsertReplica(
  tx: Transaction,
  row: OwnReplica & { readonly modelId: string; readonly nodeRowId: string },
): Promise<void> {
  const { name, manifest, sizeBytes } = row.record;
  const { placed = false, verdict } = row;
  const verified = verdict ? new Date(verdict.atMs) : null;
  const score = verdict?.isSound === false || row.state === "failed" ? 0 : 1;
  await tx`
    insert into model_replicas
      (model_id, node_id, replica_path, replica_hash, replica_size, status, placed, health_score, last_verified)
    values (${row.modelId}, ${row.nodeRowId}, ${name.slice(0, PATH_LENGTH_MAX)}, ${manifest}, ${sizeBytes}, ${row.state},
      ${placed}, ${score}, ${verified})
    on conflict (model_id, node_id) do update set
      replica_path = excluded.replica_path, replica_hash = excluded.replica_hash,
      replica_size = excluded.replica_size, status = excluded.status, placed = excluded.placed,
      health_score = excluded.health_score, last_verified = excluded.last_verified
    where (model_replicas.replica_hash, model_replicas.replica_size, model_replicas.status, model_replicas.placed,
        model_replicas.health_score, model_replicas.last_verified)
      is distinct from (excluded.replica_hash, excluded.replica_size, excluded.status, excluded.placed,
        excluded.health_score, excluded.last_verified)`;
}
