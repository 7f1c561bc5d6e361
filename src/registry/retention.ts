import type { Fence } from "../core/jobs.ts";
import { type NodeId, parseNodeId } from "../core/node-id.ts";
import type { Sql } from "./connect.ts";
import type { NodeStatus } from "./nodes.ts";
import { GONE_DAYS, type SilentNode } from "./retention-decisions.ts";

/**
 * Rows that are no longer needed. Each statement removes at most `rowsMax` of them and carries the leader's token, so that a
 * leader of an earlier term removes nothing; it returns how many went.
 */

/** A replica that its node has given up is of use to whoever asks where a model went. */
const GIVEN_UP_DAYS = 7;
/** Who comes with a key that has run out is told so, for a while. */
const RUN_OUT_DAYS = 7;

export interface Removal {
  readonly fence: Fence;
  readonly rowsMax: number;
}

/** By where the rows lie: by their ids the planner reads the whole table for each batch. */
export async function removeRequests(sql: Sql, days: number, removal: Removal): Promise<number> {
  const rows = await sql`
    delete from inference_requests where ${leads(sql, removal)} and ctid = any (array(
      select ctid from inference_requests where created_at < now() - ${days} * interval '1 day'
      order by created_at limit ${removal.rowsMax}))`;
  return rows.count;
}

export async function removeChanges(sql: Sql, days: number, removal: Removal): Promise<number> {
  const rows = await sql`
    delete from audit_log where ${leads(sql, removal)} and ctid = any (array(
      select ctid from audit_log where "timestamp" < now() - ${days} * interval '1 day'
      order by "timestamp" limit ${removal.rowsMax}))`;
  return rows.count;
}

/** Those that said nothing for a long time, the longest first; what is made of it is decided elsewhere. */
export async function silentNodes(sql: Sql, rowsMax: number): Promise<readonly SilentNode[]> {
  const rows = await sql<{ peer_id: string; status: NodeStatus; silent_ms: number }[]>`
    select peer_id, status,
      (extract(epoch from now() - greatest(last_heartbeat, updated_at)) * 1000)::double precision as silent_ms
    from nodes where status in ('offline', 'failed') order by silent_ms desc limit ${rowsMax}`;
  return rows.flatMap(({ peer_id, status, silent_ms }) => {
    const id = parseNodeId(peer_id);
    return id ? [{ id, status, silentMs: silent_ms }] : [];
  });
}

/** With their replicas. A node that has spoken since it was decided stays. */
export async function removeNodes(
  sql: Sql,
  nodes: readonly NodeId[],
  removal: Removal,
): Promise<number> {
  const rows = await sql`
    delete from nodes where ${leads(sql, removal)} and status in ('offline', 'failed')
      and greatest(last_heartbeat, updated_at) < now() - ${GONE_DAYS} * interval '1 day'
      and peer_id in (select jsonb_array_elements_text(${sql.json([...nodes])}))`;
  return rows.count;
}

/** Those that their node no longer holds, and those of a deleted model on a node that is not there to say so. */
export async function removeReplicas(sql: Sql, removal: Removal): Promise<number> {
  const rows = await sql`
    delete from model_replicas where ${leads(sql, removal)} and id in (
      select model_replicas.id from model_replicas
        join models on models.id = model_id join nodes on nodes.id = node_id
      where model_replicas.updated_at < now() - ${GIVEN_UP_DAYS} * interval '1 day'
        and (model_replicas.status = 'deleted'
          or (models.status = 'deleted' and nodes.status in ('offline', 'failed')))
      limit ${removal.rowsMax})`;
  return rows.count;
}

/** Up to the maximum of each kind. A key without an end stays until it is revoked. */
export async function removeKeys(sql: Sql, removal: Removal): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    with api as (
      delete from api_keys where ${leads(sql, removal)} and id in (
        select id from api_keys where least(expires_at, revoked_at) < now() - ${RUN_OUT_DAYS} * interval '1 day'
        limit ${removal.rowsMax})
      returning 1),
    signing as (
      delete from signing_keys where ${leads(sql, removal)} and id in (
        select id from signing_keys where expires_at < now() - ${RUN_OUT_DAYS} * interval '1 day'
        limit ${removal.rowsMax})
      returning 1)
    select ((select count(*) from api) + (select count(*) from signing))::int as count`;
  return row?.count ?? 0;
}

function leads(sql: Sql, { fence }: Removal) {
  return sql`exists (select from leases
    where name = ${fence.name} and token = ${fence.token} and expires_at > clock_timestamp())`;
}
