import type { Context } from "hono";
import type { Changed } from "../../core/management.ts";
import type { ModelName } from "../../core/model-name.ts";
import type { RouteContext } from "../deps.ts";
import { HttpError } from "../http/http-error.ts";
import { readJson } from "../http/read-body.ts";
import { type ApiEnv, requestSignal } from "../http/request-signal.ts";
import { parseWantedName } from "./find-model.ts";

export const COPY_SHAPE = {
  name: "CopyRequest",
  fields: { source: "string", destination: "string" },
} as const;

/** POST /api/copy: gives a model a second name, on every node that has it; with ?local=true on this one. */
export async function copy(c: Context<ApiEnv>, context: RouteContext): Promise<Response> {
  const body: { readonly source?: string; readonly destination?: string } = await readJson(
    c.req.raw,
    context.options.bodyBytesMax,
    COPY_SHAPE,
  );
  const { source = "", destination = "" } = body;
  const from = nameIn("source", source);
  const to = nameIn("destination", destination);
  const changed = await context.management.copy(from, to, withinOf(c));
  if (!changed.found) throw new HttpError(404, `model "${source}" not found`);
  return changedReply(changed);
}

function nameIn(field: string, text: string): ModelName {
  const name = parseWantedName(text);
  if (!name) throw new HttpError(400, `${field} ${JSON.stringify(text)} is invalid`);
  return name;
}

/** As long as the client waits, and where it said. */
export function withinOf(c: Context<ApiEnv>) {
  return { signal: requestSignal(c), local: c.req.query("local") === "true" };
}

/** Nothing to say, as Ollama has it; but which nodes were away stands in a header. */
export function changedReply({ missed }: Changed): Response {
  const names = missed.map((name) => encodeURIComponent(name)).join(", ");
  const headers = missed.length > 0 ? { "X-OllamaMax-Missed": names } : {};
  return new Response(null, { status: 200, headers });
}
