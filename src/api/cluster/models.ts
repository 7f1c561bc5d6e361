import type { Context } from "hono";
import { z } from "zod";
import { type CatalogModel, MODEL_STATUSES } from "../../core/catalog.ts";
import type { RouteContext } from "../deps.ts";
import type { ApiEnv } from "../http/request-signal.ts";
import { shortNameOf } from "../ollama/find-model.ts";
import { filterText, listingReply, oneOf } from "./listing.ts";

const TAGS_MAX = 20;

const filters = z.object({
  name: filterText,
  search: filterText,
  tag: z
    .array(filterText.unwrap())
    .max(TAGS_MAX, `may be given ${TAGS_MAX} times at most`)
    .optional(),
  status: oneOf(MODEL_STATUSES),
});

/** GET /api/cluster/models: what the registry has recorded, also of models that no node holds any more. */
export function models(c: Context<ApiEnv>, context: RouteContext): Promise<Response> {
  return listingReply(c, context, {
    name: "models",
    filters,
    page: ({ tag, ...filter }, page, o) =>
      context.catalog.models({ ...filter, tags: tag }, page, o),
    entry,
  });
}

function entry(model: CatalogModel): Readonly<Record<string, unknown>> {
  return {
    name: shortNameOf(model.name),
    reference: model.name,
    version: model.version,
    size: model.sizeBytes,
    digest: model.digest,
    content_type: model.contentType,
    description: model.description,
    tags: model.tags,
    details: model.details,
    capabilities: model.capabilities,
    status: model.status,
    replicas_wanted: model.replicasWanted,
    created_by: model.createdBy,
    created_at: model.createdAt,
    updated_at: model.updatedAt,
    accessed_at: model.accessedAt,
  };
}
