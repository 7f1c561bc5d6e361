import type { Context } from "hono";
import type { DrainProgress } from "../../core/drain.ts";
import type { RouteContext } from "../deps.ts";
import { HttpError } from "../http/http-error.ts";
import { readJson } from "../http/read-body.ts";
import { jsonReply } from "../http/reply.ts";
import { type ApiEnv, requestSignal } from "../http/request-signal.ts";
import { shortNameOf } from "../ollama/find-model.ts";

export const DRAIN_SHAPE = { name: "DrainRequest", fields: { deadline_seconds: "int" } } as const;

const DEADLINE_S_MAX = 30 * 86_400;

/** GET, POST and DELETE /api/cluster/nodes/:id/drain: how far a node is, that it shall empty itself, that it need not. */
export async function drain(c: Context<ApiEnv>, context: RouteContext): Promise<Response> {
  const { drains } = context;
  const node = c.req.param("id") ?? "";
  const o = { signal: requestSignal(c) };
  if (c.req.method === "GET") return reply(await drains.progress(node, o));
  if (c.req.method === "DELETE") return reply(await drains.end(node, o));
  const seconds = await deadlineOf(c, context);
  const deadline = seconds === undefined ? {} : { deadlineMs: seconds * 1_000 };
  return reply(await drains.begin(node, { ...o, ...deadline }));
}

/** A body may be left out. */
async function deadlineOf(c: Context<ApiEnv>, context: RouteContext): Promise<number | undefined> {
  if (!c.req.raw.body) return undefined;
  const { deadline_seconds: seconds }: { readonly deadline_seconds?: number } = await readJson(
    c.req.raw,
    context.options.bodyBytesMax,
    DRAIN_SHAPE,
  );
  if (seconds === undefined || (seconds > 0 && seconds <= DEADLINE_S_MAX)) return seconds;
  throw new HttpError(400, `deadline_seconds must be more than 0 and at most ${DEADLINE_S_MAX}`);
}

function reply(progress: DrainProgress): Response {
  const { node, name, draining, sinceMs, deadlineInMs, running, models, canLeave } = progress;
  const last = models.filter(({ elsewhere }) => elsewhere === 0);
  return jsonReply({
    ...{ node, name, draining, running, can_leave: canLeave },
    ...(sinceMs !== undefined && { since_ms: Math.round(sinceMs) }),
    ...(deadlineInMs !== undefined && { deadline_in_ms: Math.round(deadlineInMs) }),
    last_replicas: last.length,
    last_bytes: last.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    models: models.map(({ name: model, sizeBytes, elsewhere }) => ({
      ...{ model: shortNameOf(model), size: sizeBytes, elsewhere },
    })),
  });
}
