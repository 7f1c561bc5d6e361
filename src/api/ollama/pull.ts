import type { Context } from "hono";
import type { RegistryRequest } from "../../core/distribution.ts";
import type { RouteContext } from "../deps.ts";
import { HttpError } from "../http/http-error.ts";
import { readJson } from "../http/read-body.ts";
import type { ApiEnv } from "../http/request-signal.ts";
import { withinOf } from "./copy.ts";
import { parseWantedName } from "./find-model.ts";
import { progressReply } from "./progress.ts";

/** Ollama's clients may send a user and a password, which it ignores; so do we. */
const FIELDS = { model: "string", name: "string", insecure: "bool", stream: "bool" } as const;

export const PULL_SHAPE = { name: "PullRequest", fields: FIELDS } as const;
export const PUSH_SHAPE = { name: "PushRequest", fields: FIELDS } as const;

interface Body {
  readonly model?: string;
  readonly name?: string;
  readonly insecure?: boolean;
  readonly stream?: boolean;
}

/** POST /api/pull: from a registry to this node, or to the one that has the name; with ?local=true to this one. */
export async function pull(c: Context<ApiEnv>, context: RouteContext): Promise<Response> {
  const body: Body = await readJson(c.req.raw, context.options.bodyBytesMax, PULL_SHAPE);
  return await moved("pull", body, c, context);
}

/** POST /api/push: from this node, or one that has it, to the registry that its name says. */
export async function push(c: Context<ApiEnv>, context: RouteContext): Promise<Response> {
  const body: Body = await readJson(c.req.raw, context.options.bodyBytesMax, PUSH_SHAPE);
  if (!body.model && !body.name) throw new HttpError(400, "model is required");
  return await moved("push", body, c, context);
}

function moved(
  call: "pull" | "push",
  body: Body,
  c: Context<ApiEnv>,
  context: RouteContext,
): Promise<Response> {
  const request = requestOf(body);
  const lines = context.management[call](request, withinOf(c));
  return progressReply(c, lines, body.stream ?? true, context);
}

const PLAIN_HTTP = /^http:\/\//i;

function requestOf({ model, name: alias, insecure = false }: Body): RegistryRequest {
  const text = model || alias || "";
  const name = parseWantedName(text);
  if (!name) throw new HttpError(400, "invalid model name");
  return { name, insecure, ...(PLAIN_HTTP.test(text) && { scheme: "http" }) };
}
