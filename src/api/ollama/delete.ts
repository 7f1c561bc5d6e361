import type { Context } from "hono";
import type { RouteContext } from "../deps.ts";
import { HttpError } from "../http/http-error.ts";
import { readJson } from "../http/read-body.ts";
import type { ApiEnv } from "../http/request-signal.ts";
import { changedReply, withinOf } from "./copy.ts";
import { parseWantedName } from "./find-model.ts";

export const DELETE_SHAPE = {
  name: "DeleteRequest",
  fields: { model: "string", name: "string" },
} as const;

/** DELETE /api/delete: on every node that has it; with ?local=true on this one. */
export async function remove(c: Context<ApiEnv>, context: RouteContext): Promise<Response> {
  const body: { readonly model?: string; readonly name?: string } = await readJson(
    c.req.raw,
    context.options.bodyBytesMax,
    DELETE_SHAPE,
  );
  const text = body.model || body.name || "";
  if (text === "") throw new HttpError(400, "model is required");
  const name = parseWantedName(text);
  if (!name) throw new HttpError(400, `name ${JSON.stringify(text)} is invalid`);
  const changed = await context.management.remove(name, withinOf(c));
  if (!changed.found) throw new HttpError(404, `model '${text}' not found`);
  return changedReply(changed);
}
