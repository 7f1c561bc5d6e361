import type { Context } from "hono";
import type { ModelRecord } from "../../core/model.ts";
import { formatShortName, parseModelName } from "../../core/model-name.ts";
import { modelEntry, modelPage, VERSION_HEADER } from "../anthropic/models.ts";
import type { RouteContext } from "../deps.ts";
import { plainJsonReply } from "../dialects/reply.ts";
import { HttpError } from "../http/http-error.ts";
import type { ApiEnv } from "../http/request-signal.ts";
import { findModel, parseWantedName, shortNameOf } from "../ollama/find-model.ts";
import { listedModels } from "../ollama/tags.ts";

/** GET /v1/models: what the cluster can serve, newest first; with ?local=true what this node holds. */
export function models(c: Context<ApiEnv>, context: RouteContext): Response {
  const records = listedModels(c, context);
  const listed = <E>(entryOf: (id: string, record: ModelRecord) => E): E[] =>
    records.map((record) => entryOf(shortNameOf(record.name), record));
  if (c.req.header(VERSION_HEADER)) return plainJsonReply(modelPage(listed(modelEntry)));
  const data = listed(entryOf);
  return plainJsonReply({ object: "list", data });
}

/** GET /v1/models/:id, whose id may hold slashes; it is told as it was asked for. */
export function model(c: Context<ApiEnv>, { replicas }: RouteContext): Response {
  const id = c.req.param("id") ?? "";
  const name = parseWantedName(id);
  if (!name) throw new HttpError(400, "invalid model name", { param: "model" });
  const record = findModel(replicas, name);
  if (!record) {
    throw new HttpError(404, `model '${formatShortName(name)}' not found`, { param: "model" });
  }
  return plainJsonReply((c.req.header(VERSION_HEADER) ? modelEntry : entryOf)(id, record));
}

function entryOf(id: string, record: ModelRecord): Readonly<Record<string, unknown>> {
  return {
    id,
    object: "model",
    created: Math.floor(record.modifiedAtMs / 1_000),
    owned_by: parseModelName(record.name)?.namespace,
  };
}
