import type { CatalogModel, ModelFilter, Page, PageRequest } from "../../core/catalog.ts";
import type { Sql } from "../connect.ts";
import type { CursorSpec } from "./cursor.ts";
import { canMatch, prefixQuery } from "./filters.ts";
import { modelNameIs } from "./name-is.ts";
import { EMPTY_PAGE, isoTime, pageOf, startOf } from "./page.ts";

interface Row {
  readonly name: string;
  readonly version: string;
  readonly size: bigint;
  readonly hash: string;
  readonly content_type: string;
  readonly description: string | null;
  readonly tags: unknown;
  readonly details: unknown;
  readonly capabilities: unknown;
  readonly status: string;
  readonly replicas_wanted: number | null;
  readonly created_by: string | null;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly accessed_at: Date | null;
}

/** By name. */
export async function modelPage(
  sql: Sql,
  filter: ModelFilter,
  page: PageRequest,
): Promise<Page<CatalogModel>> {
  const spec: CursorSpec = { list: "models", filter, key: ["text"] };
  const start = startOf(spec, page);
  const { name, search, tags = [], status } = filter;
  if (!canMatch([name, search, ...tags])) return EMPTY_PAGE;
  const query = prefixQuery(search ?? "");
  const rows = await sql<Row[]>`
    select name, version, size, hash, content_type, description, tags, parameters -> 'details' as details,
      parameters -> 'capabilities' as capabilities, status, replicas_wanted, created_by, created_at, updated_at, accessed_at
    from models
    where true
      ${start ? sql`and name > ${start[0] ?? ""}` : sql``}
      ${name === undefined ? sql`` : sql`and ${modelNameIs(sql, "models.name", name)}`}
      ${query === "" ? sql`` : sql`and model_words(name, description) @@ to_tsquery('simple', ${query})`}
      ${tags.length > 0 ? sql`and tags @> ${JSON.stringify(tags)}::text::jsonb` : sql``}
      ${status ? sql`and status = ${status}` : sql``}
    order by name limit ${page.limit + 1}`;
  return pageOf(spec, page, rows, { key: (row) => [row.name], item: modelOf });
}

/** What an importer found in the old store's attributes stays in the table: anything may stand there. */
function modelOf(row: Row): CatalogModel {
  return {
    name: row.name,
    version: row.version,
    sizeBytes: Number(row.size),
    digest: row.hash,
    contentType: row.content_type,
    description: row.description,
    tags: row.tags,
    details: row.details,
    capabilities: row.capabilities,
    status: row.status,
    replicasWanted: row.replicas_wanted,
    createdBy: row.created_by,
    createdAt: isoTime(row.created_at),
    updatedAt: isoTime(row.updated_at),
    accessedAt: isoTime(row.accessed_at),
  };
}
