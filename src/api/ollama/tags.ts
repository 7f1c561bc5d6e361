import type { Context } from "hono";
import type { ModelDetails, ModelRecord } from "../../core/model.ts";
import type { RouteContext } from "../deps.ts";
import { jsonReply } from "../http/reply.ts";
import type { ApiEnv } from "../http/request-signal.ts";
import { shortNameOf } from "./find-model.ts";
import { localTimestamp } from "./times.ts";

/** GET /api/tags: what the cluster can serve, newest first; with ?local=true what this node holds. */
export function tags(c: Context<ApiEnv>, context: RouteContext): Response {
  return jsonReply({ models: listedModels(c, context).map(entryOf) });
}

export function listedModels(
  c: Context<ApiEnv>,
  { replicas, models }: RouteContext,
): readonly ModelRecord[] {
  const records =
    c.req.query("local") === "true"
      ? models.list()
      : replicas
          .models()
          .filter(({ holders }) => holders.some(({ state }) => state === "ready"))
          .map(({ record }) => record);
  return records.toSorted((a, b) => b.modifiedAtMs - a.modifiedAtMs);
}

function entryOf(record: ModelRecord): Record<string, unknown> {
  const name = shortNameOf(record.name);
  return {
    name,
    model: name,
    modified_at: localTimestamp(record.modifiedAtMs),
    size: record.sizeBytes,
    digest: record.manifest,
    details: {
      ...detailsOf(record.details),
      ...(record.details.contextLength ? { context_length: record.details.contextLength } : {}),
      ...(record.details.embeddingLength
        ? { embedding_length: record.details.embeddingLength }
        : {}),
    },
    ...(record.capabilities.length > 0 ? { capabilities: record.capabilities } : {}),
  };
}

export function detailsOf(details: ModelDetails): Record<string, unknown> {
  return {
    parent_model: details.parentModel,
    format: details.format,
    family: details.family,
    families: details.families,
    parameter_size: details.parameterSize,
    quantization_level: details.quantizationLevel,
  };
}
