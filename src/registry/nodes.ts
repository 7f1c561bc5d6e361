import { isIP } from "node:net";
import { type NodeId, parseNodeId } from "../core/node-id.ts";
import type { Sql, Transaction } from "./connect.ts";
import { storable, storableJson } from "./storable.ts";

export type NodeStatus = "active" | "draining" | "offline" | "failed";

/** What a node writes about itself. */
export interface NodeRow {
  readonly id: NodeId;
  readonly name: string;
  readonly region: string;
  readonly zone: string;
  readonly multiaddrs: readonly string[];
  readonly apiUrl: string;
  readonly version: string;
  readonly status: NodeStatus;
  readonly incarnation: bigint;
  readonly freeMemoryBytes: number;
  readonly freeDiskBytes: number;
}

export interface PeerAddress {
  readonly id: NodeId;
  readonly multiaddrs: readonly string[];
}

export interface NodeStatusRow {
  readonly id: NodeId;
  readonly status: NodeStatus;
  readonly incarnation: bigint;
  /** By the database's clock; undefined: it never said anything. */
  readonly heartbeatAgeMs: number | undefined;
}

/** Peers that said nothing for longer are not worth dialling. */
const DIAL_AGE_MAX = "7 days";
const ROWS_MAX = 5_000;
const PORT_MAX = 65_535;

/**
 * Writes a node's own row and heartbeat. A writer with an older incarnation changes nothing (an old process that is still
 * dying must not overwrite its successor). Returns the row's id; undefined when it was the older one.
 */
export async function upsertNode(
  sql: Sql | Transaction,
  row: NodeRow,
): Promise<string | undefined> {
  const [address, port] = routableAddress(row.multiaddrs);
  const resources = { freeMemoryBytes: row.freeMemoryBytes, freeDiskBytes: row.freeDiskBytes };
  const rows = await sql<{ id: string }[]>`
    insert into nodes (peer_id, name, region, zone, address, port, multiaddrs, api_url, version, resources, status,
      incarnation, last_heartbeat)
    values (${row.id}, ${storable(row.name, 255)}, ${storable(row.region, 100)}, ${storable(row.zone, 100)}, ${address}, ${port}, 
      array(select jsonb_array_elements_text(${storableJson(row.multiaddrs)}::text::jsonb)),
      ${storable(row.apiUrl)}, ${storable(row.version)}, ${sql.json(resources)}, ${row.status}, ${row.incarnation}, now())
    on conflict (peer_id) do update set
      name = excluded.name, region = excluded.region, zone = excluded.zone, address = excluded.address,
      port = excluded.port, multiaddrs = excluded.multiaddrs, api_url = excluded.api_url, version = excluded.version,
      resources = excluded.resources, status = excluded.status, incarnation = excluded.incarnation,
      last_heartbeat = excluded.last_heartbeat
    where nodes.incarnation <= excluded.incarnation
    returning id`;
  return rows[0]?.id;
}

/** The nodes that a starting one may find the cluster by, the most recently heard first. */
export async function livePeers(sql: Sql): Promise<readonly PeerAddress[]> {
  const rows = await sql<{ peer_id: string; multiaddrs: string[] }[]>`
    select peer_id, to_json(multiaddrs) as multiaddrs from nodes
    where status <> 'offline' and last_heartbeat > now() - ${DIAL_AGE_MAX}::interval
    order by last_heartbeat desc limit ${ROWS_MAX}`;
  return rows.flatMap((row) => {
    const id = parseNodeId(row.peer_id);
    return id ? [{ id, multiaddrs: row.multiaddrs }] : [];
  });
}

export async function nodeStatuses(sql: Sql): Promise<readonly NodeStatusRow[]> {
  const rows = await sql<
    { peer_id: string; status: NodeStatus; incarnation: bigint; age_ms: number | null }[]
  >`
    select peer_id, status, incarnation,
      (extract(epoch from now() - last_heartbeat) * 1000)::double precision as age_ms
    from nodes order by peer_id limit ${ROWS_MAX}`;
  return rows.flatMap((row) => {
    const id = parseNodeId(row.peer_id);
    if (!id) return [];
    const { status, incarnation } = row;
    return [{ id, status, incarnation, heartbeatAgeMs: row.age_ms ?? undefined }];
  });
}

/**
 * The leader's word about another node. It counts only while the leader's token is the lease's current one and the node
 * has not said something newer about itself. Returns whether it was written.
 */
export async function markNode(
  sql: Sql,
  decision: { readonly id: NodeId; readonly status: NodeStatus; readonly incarnation: bigint },
  lease: { readonly name: string; readonly token: bigint },
): Promise<boolean> {
  const rows = await sql`
    update nodes set status = ${decision.status}
    where peer_id = ${decision.id} and incarnation <= ${decision.incarnation}
      and exists (select from leases
        where name = ${lease.name} and token = ${lease.token} and expires_at > clock_timestamp())
    returning 1`;
  return rows.length === 1;
}

/** The first address that another machine can reach, loopback only when there is no other. */
function routableAddress(multiaddrs: readonly string[]): [string | null, number | null] {
  const found = multiaddrs.flatMap((multiaddr) => {
    // Not "fe80::1%eth0": the zone says nothing elsewhere, and Postgres's inet does not take it.
    const [, address = "", digits] = /^\/ip[46]\/([^/%]+)\/tcp\/(\d+)/.exec(multiaddr) ?? [];
    const port = Number(digits);
    return isIP(address) && port >= 1 && port <= PORT_MAX ? [{ address, port }] : [];
  });
  const best = found.find(({ address }) => !/^(127\.|::1$)/.test(address)) ?? found[0];
  return best ? [best.address, best.port] : [null, null];
}
