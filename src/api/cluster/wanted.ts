import type { Context } from "hono";
import { formatFullName } from "../../core/model-name.ts";
import type { RouteContext } from "../deps.ts";
import { HttpError } from "../http/http-error.ts";
import { readJson } from "../http/read-body.ts";
import { jsonReply } from "../http/reply.ts";
import { type ApiEnv, requestSignal } from "../http/request-signal.ts";
import { mismatch, type Shape } from "../json/decode.ts";
import { parseWantedName } from "../ollama/find-model.ts";

const REPLICAS_MAX = 1_000;

/** How many, `all`, or null for as many as the cluster's default says. */
const REPLICAS: Shape = {
  type: "int",
  custom: (value, path) => {
    const isCount = Number.isInteger(value) && Number(value) >= 1 && Number(value) <= REPLICAS_MAX;
    if (value === "all" || isCount) return value;
    throw mismatch(value, path, `int from 1 to ${REPLICAS_MAX}, "all" or null`);
  },
};

export const WANTED_SHAPE = {
  name: "WantedRequest",
  fields: { model: "string", replicas: REPLICAS },
} as const;

/** POST /api/cluster/wanted: how many nodes shall have a model. */
export async function wanted(c: Context<ApiEnv>, context: RouteContext): Promise<Response> {
  const body: { readonly model?: string; readonly replicas?: number | "all" } = await readJson(
    c.req.raw,
    context.options.bodyBytesMax,
    WANTED_SHAPE,
  );
  const { model: text = "", replicas } = body;
  const name = parseWantedName(text);
  if (!name) throw new HttpError(400, "invalid model name");
  const o = { signal: requestSignal(c) };
  const isKnown = await context.wishes.setWanted(formatFullName(name), replicas, o);
  if (!isKnown) throw new HttpError(404, `model '${text}' not found`);
  return jsonReply({ model: text, replicas: replicas ?? null });
}
