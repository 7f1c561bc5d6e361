import type { Context } from "hono";
import { z } from "zod";
import { type CatalogRequest, REQUEST_STATUSES, STRATEGIES } from "../../core/catalog.ts";
import type { RouteContext } from "../deps.ts";
import type { ApiEnv } from "../http/request-signal.ts";
import { shortNameOf } from "../ollama/find-model.ts";
import { filterText, listingReply, oneOf } from "./listing.ts";

const filters = z.object({
  model: filterText,
  node: filterText,
  request_id: filterText,
  status: oneOf(REQUEST_STATUSES),
  strategy: oneOf(STRATEGIES),
});

/** GET /api/cluster/requests: inference requests that have ended, the latest first. No prompt is in any. */
export function requests(c: Context<ApiEnv>, context: RouteContext): Promise<Response> {
  return listingReply(c, context, {
    name: "requests",
    filters,
    page: ({ request_id: requestId, ...filter }, page, o) =>
      context.catalog.requests({ ...filter, requestId }, page, o),
    entry,
  });
}

function entry(request: CatalogRequest): Readonly<Record<string, unknown>> {
  return {
    request_id: request.requestId,
    user_id: request.userId,
    model: shortNameOf(request.model),
    prompt_hash: request.promptHash,
    prompt_length: request.promptLength,
    response_length: request.responseLength,
    tokens: request.tokens,
    nodes: request.nodes,
    strategy: request.strategy,
    execution_time_ms: request.executionTimeMs,
    status: request.status,
    error: request.error,
    metadata: request.metadata,
    created_at: request.createdAt,
    completed_at: request.completedAt,
  };
}
