import { randomUUID } from "node:crypto";
import type { EndedRequest } from "../core/history.ts";
import type { Sql } from "./connect.ts";
import { storable, storableJson } from "./storable.ts";

const TEXT_LENGTH_MAX = 255;
const ERROR_LENGTH_MAX = 1_000;
const INTEGER_MAX = 2_147_483_647;

/** As it is written, without the prompt's hash. The id makes writing it twice the same as once. */
export type RequestRow = ReturnType<typeof requestRow>;

export function requestRow(request: EndedRequest) {
  const { failure, durationMs, arrivedAtMs } = request;
  return {
    id: randomUUID(),
    request_id: storable(request.requestId, TEXT_LENGTH_MAX),
    user_id: request.userId ?? null,
    model_name: storable(request.modelName ?? request.model ?? "", TEXT_LENGTH_MAX),
    prompt_length: Math.min(promptLength(request), INTEGER_MAX),
    response_length: request.responseLength,
    tokens_processed: request.promptTokens + request.outputTokens,
    nodes_used: request.nodes,
    partition_strategy: request.strategy,
    execution_time_ms: Math.min(Math.round(durationMs), INTEGER_MAX),
    status: failure ? "failed" : "completed",
    error_message: failure
      ? storable([failure.code, failure.message].filter(Boolean).join(": "), ERROR_LENGTH_MAX)
      : null,
    metadata: {
      kind: request.kind,
      ...(request.model === undefined ? {} : { digest: request.model }),
      attempts: request.attempts,
      prompt_tokens: request.promptTokens,
      output_tokens: request.outputTokens,
      ...(failure ? { code: failure.code } : {}),
    },
    created_at: new Date(arrivedAtMs).toISOString(),
    completed_at: new Date(arrivedAtMs + durationMs).toISOString(),
  };
}

/** In characters. */
export function promptLength({ prompt }: EndedRequest): number {
  return prompt.reduce((sum, { length }) => sum + length, 0);
}

/** One statement, all or nothing; rows that are there already stay as they are. */
export async function insertRequests(
  sql: Sql,
  rows: readonly (RequestRow & { readonly prompt_hash: string | null })[],
): Promise<void> {
  await sql`
    insert into inference_requests (id, request_id, user_id, model_id, model_name, prompt_hash, prompt_length, response_length,
      tokens_processed, nodes_used, partition_strategy, execution_time_ms, status, error_message, metadata, created_at,
      completed_at)
    select r.id, request_id, users.id, models.id, model_name, prompt_hash, prompt_length, response_length, tokens_processed,
      array(select jsonb_array_elements_text(nodes_used)), partition_strategy, execution_time_ms, r.status, error_message,
      r.metadata, r.created_at, completed_at
    from jsonb_to_recordset(${storableJson(rows)}::text::jsonb) as r (id uuid, request_id text, user_id uuid, model_name text,
      prompt_hash text, prompt_length int, response_length int, tokens_processed int, nodes_used jsonb,
      partition_strategy text, execution_time_ms int, status text, error_message text, metadata jsonb,
      created_at timestamptz, completed_at timestamptz)
      left join models on models.name = model_name and r.metadata ? 'digest'
      left join users on users.id = user_id
    on conflict (id) do nothing`;
}
