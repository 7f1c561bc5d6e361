import type { ModelRecord } from "../core/model.ts";
import { type Sql, type Transaction, transaction } from "./connect.ts";
import { upsertModel } from "./models.ts";

export interface OwnReplica {
  readonly record: ModelRecord;
  readonly state: "syncing" | "ready" | "failed";
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
    for (const { record, state } of ordered) {
      const modelId = await upsertModel(tx, record);
      if (modelId === undefined) continue;
      kept.push(modelId);
      await upsertReplica(tx, { modelId, nodeRowId: node.rowId, record, state });
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
  row: {
    readonly modelId: string;
    readonly nodeRowId: string;
    readonly record: ModelRecord;
    readonly state: OwnReplica["state"];
  },
): Promise<void> {
  const { name, manifest, sizeBytes } = row.record;
  await tx`
    insert into model_replicas (model_id, node_id, replica_path, replica_hash, replica_size, status)
    values (${row.modelId}, ${row.nodeRowId}, ${name.slice(0, PATH_LENGTH_MAX)}, ${manifest}, ${sizeBytes}, ${row.state})
    on conflict (model_id, node_id) do update set
      replica_path = excluded.replica_path, replica_hash = excluded.replica_hash,
      replica_size = excluded.replica_size, status = excluded.status
    where (model_replicas.replica_hash, model_replicas.replica_size, model_replicas.status)
      is distinct from (excluded.replica_hash, excluded.replica_size, excluded.status)`;
}
