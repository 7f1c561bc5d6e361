import type { CatalogRequest, Page, PageRequest, RequestFilter } from "../../core/catalog.ts";
import type { Sql } from "../connect.ts";
import type { CursorSpec } from "./cursor.ts";
import { canMatch } from "./filters.ts";
import { modelNameIs } from "./name-is.ts";
import { EMPTY_PAGE, isoTime, pageOf, startOf } from "./page.ts";

interface Row {
  readonly id: string;
  readonly microseconds: string;
  readonly request_id: string;
  readonly user_id: string | null;
  readonly model_name: string;
  readonly prompt_hash: string | null;
  readonly prompt_length: number | null;
  readonly response_length: number | null;
  readonly tokens_processed: number | null;
  readonly nodes_used: string[];
  readonly partition_strategy: string | null;
  readonly execution_time_ms: number | null;
  readonly status: string;
  readonly error_message: string | null;
  readonly metadata: unknown;
  readonly created_at: Date;
  readonly completed_at: Date | null;
}

/** The latest first. */
export async function requestPage(
  sql: Sql,
  filter: RequestFilter,
  page: PageRequest,
): Promise<Page<CatalogRequest>> {
  const spec: CursorSpec = { list: "requests", filter, key: ["microseconds", "uuid"] };
  const start = startOf(spec, page);
  const { model, node, requestId, status, strategy } = filter;
  if (!canMatch([model, node, requestId])) return EMPTY_PAGE;
  const rows = await sql<Row[]>`
    select id, (extract(epoch from created_at) * 1000000)::bigint::text as microseconds, request_id, user_id, model_name, prompt_hash,
      prompt_length, response_length, tokens_processed, to_json(nodes_used) as nodes_used, partition_strategy,
      execution_time_ms, status, error_message, metadata, created_at, completed_at
    from inference_requests
    where true
      ${start ? sql`and (created_at, id) < (${timeOf(sql, start[0])}, ${start[1] ?? ""}::uuid)` : sql``}
      ${model === undefined ? sql`` : sql`and ${modelNameIs(sql, "model_name", model)}`}
      ${node === undefined ? sql`` : sql`and ${node} = any (nodes_used)`}
      ${requestId === undefined ? sql`` : sql`and request_id = ${requestId}`}
      ${status ? sql`and status = ${status}` : sql``}
      ${strategy ? sql`and partition_strategy = ${strategy}` : sql``}
    order by created_at desc, id desc limit ${page.limit + 1}`;
  return pageOf(spec, page, rows, {
    key: (row) => [row.microseconds, row.id],
    item: requestOf,
  });
}

/** To the microsecond, as Postgres has it and JavaScript's dates have not. */
export function timeOf(sql: Sql, microseconds = "0") {
  return sql`timestamptz 'epoch' + ${microseconds}::text::bigint * interval '1 microsecond'`;
}

function requestOf(row: Row): CatalogRequest {
  return {
    requestId: row.request_id,
    userId: row.user_id,
    model: row.model_name,
    promptHash: row.prompt_hash,
    promptLength: row.prompt_length,
    responseLength: row.response_length,
    tokens: row.tokens_processed,
    nodes: row.nodes_used,
    strategy: row.partition_strategy,
    executionTimeMs: row.execution_time_ms,
    status: row.status,
    error: row.error_message,
    metadata: row.metadata,
    createdAt: isoTime(row.created_at),
    completedAt: isoTime(row.completed_at),
  };
}
