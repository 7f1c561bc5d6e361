import type { CatalogNode, NodeFilter, Page, PageRequest } from "../../core/catalog.ts";
import type { Sql } from "../connect.ts";
import type { CursorSpec } from "./cursor.ts";
import { canMatch } from "./filters.ts";
import { nodeNameIs } from "./name-is.ts";
import { EMPTY_PAGE, isoTime, pageOf, startOf } from "./page.ts";

interface Row {
  readonly peer_id: string;
  readonly name: string | null;
  readonly region: string | null;
  readonly zone: string | null;
  readonly multiaddrs: string[];
  readonly api_url: string | null;
  readonly version: string | null;
  readonly status: string;
  readonly last_heartbeat: Date | null;
  readonly created_at: Date;
}

/** By peer id, which never changes. */
export async function nodePage(
  sql: Sql,
  filter: NodeFilter,
  page: PageRequest,
): Promise<Page<CatalogNode>> {
  const spec: CursorSpec = { list: "nodes", filter, key: ["text"] };
  const start = startOf(spec, page);
  const { name, region, zone, status } = filter;
  if (!canMatch([name, region, zone])) return EMPTY_PAGE;
  const rows = await sql<Row[]>`
    select peer_id, name, region, zone, to_json(multiaddrs) as multiaddrs, api_url, version, status, last_heartbeat,
      created_at
    from nodes
    where true
      ${start ? sql`and peer_id > ${start[0] ?? ""}` : sql``}
      ${name === undefined ? sql`` : sql`and ${nodeNameIs(sql, name)}`}
      ${region === undefined ? sql`` : sql`and region = ${region}`}
      ${zone === undefined ? sql`` : sql`and zone = ${zone}`}
      ${status ? sql`and status = ${status}` : sql``}
    order by peer_id limit ${page.limit + 1}`;
  return pageOf(spec, page, rows, { key: (row) => [row.peer_id], item: nodeOf });
}

function nodeOf(row: Row): CatalogNode {
  return {
    id: row.peer_id,
    name: row.name,
    region: row.region,
    zone: row.zone,
    multiaddrs: row.multiaddrs,
    apiUrl: row.api_url,
    version: row.version,
    status: row.status,
    lastHeartbeat: isoTime(row.last_heartbeat),
    createdAt: isoTime(row.created_at),
  };
}
