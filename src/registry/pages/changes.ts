import type { AuditFilter, CatalogChange, Page, PageRequest } from "../../core/catalog.ts";
import type { Sql } from "../connect.ts";
import type { CursorSpec } from "./cursor.ts";
import { canMatch } from "./filters.ts";
import { EMPTY_PAGE, isoTime, pageOf, startOf } from "./page.ts";
import { timeOf } from "./requests.ts";
import { withoutSecrets } from "./without-secrets.ts";

interface Row {
  readonly id: string;
  readonly microseconds: string;
  readonly table_name: string;
  readonly operation: string;
  readonly old_values: unknown;
  readonly new_values: unknown;
  readonly user_id: string | null;
  readonly at: Date;
}

/** The audit log, the latest first. */
export async function changePage(
  sql: Sql,
  filter: AuditFilter,
  page: PageRequest,
): Promise<Page<CatalogChange>> {
  const spec: CursorSpec = { list: "audit", filter, key: ["microseconds", "uuid"] };
  const start = startOf(spec, page);
  const { table, operation } = filter;
  if (!canMatch([table, operation])) return EMPTY_PAGE;
  const rows = await sql<Row[]>`
    select id, (extract(epoch from "timestamp") * 1000000)::bigint::text as microseconds, table_name, operation, old_values,
      new_values, user_id, "timestamp" as at
    from audit_log
    where true
      ${start ? sql`and ("timestamp", id) < (${timeOf(sql, start[0])}, ${start[1] ?? ""}::uuid)` : sql``}
      ${table === undefined ? sql`` : sql`and table_name = ${table}`}
      ${operation === undefined ? sql`` : sql`and operation = ${operation}`}
    order by "timestamp" desc, id desc limit ${page.limit + 1}`;
  return pageOf(spec, page, rows, { key: (row) => [row.microseconds, row.id], item: changeOf });
}

function changeOf(row: Row): CatalogChange {
  return {
    table: row.table_name,
    operation: row.operation,
    before: withoutSecrets(row.table_name, row.old_values),
    after: withoutSecrets(row.table_name, row.new_values),
    userId: row.user_id,
    at: isoTime(row.at),
  };
}
