import type { CatalogReplica, Page, PageRequest, ReplicaFilter } from "../../core/catalog.ts";
import type { Sql } from "../connect.ts";
import type { CursorSpec } from "./cursor.ts";
import { canMatch } from "./filters.ts";
import { modelNameIs } from "./name-is.ts";
import { EMPTY_PAGE, isoTime, pageOf, startOf } from "./page.ts";

interface Row {
  readonly model_id: string;
  readonly node_id: string;
  readonly model: string;
  readonly node: string;
  readonly node_name: string | null;
  readonly replica_hash: string | null;
  readonly replica_size: bigint | null;
  readonly status: string;
  readonly health_score: number;
  readonly last_verified: Date | null;
  readonly updated_at: Date;
}

/** A model's stand together. */
export async function replicaPage(
  sql: Sql,
  filter: ReplicaFilter,
  page: PageRequest,
): Promise<Page<CatalogReplica>> {
  const spec: CursorSpec = { list: "replicas", filter, key: ["uuid", "uuid"] };
  const start = startOf(spec, page);
  const { model, node, status } = filter;
  if (!canMatch([model, node])) return EMPTY_PAGE;
  const rows = await sql<Row[]>`
    select model_id, node_id, models.name as model, peer_id as node, nodes.name as node_name, replica_hash, replica_size,
      model_replicas.status, health_score, last_verified, model_replicas.updated_at
    from model_replicas join models on models.id = model_id join nodes on nodes.id = node_id
    where true
      ${start ? sql`and (model_id, node_id) > (${start[0] ?? ""}::uuid, ${start[1] ?? ""}::uuid)` : sql``}
      ${model === undefined ? sql`` : sql`and ${modelNameIs(sql, "models.name", model)}`}
      ${node === undefined ? sql`` : sql`and peer_id = ${node}`}
      ${status ? sql`and model_replicas.status = ${status}` : sql``}
    order by model_id, node_id limit ${page.limit + 1}`;
  return pageOf(spec, page, rows, {
    key: (row) => [row.model_id, row.node_id],
    item: replicaOf,
  });
}

function replicaOf(row: Row): CatalogReplica {
  return {
    model: row.model,
    node: row.node,
    nodeName: row.node_name,
    digest: row.replica_hash,
    sizeBytes: row.replica_size === null ? null : Number(row.replica_size),
    status: row.status,
    healthScore: row.health_score,
    lastVerified: isoTime(row.last_verified),
    updatedAt: isoTime(row.updated_at),
  };
}
