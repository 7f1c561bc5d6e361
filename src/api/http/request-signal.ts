import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";

/** What Hono's contexts hold here. Under app.request() in tests there is no socket. */
export interface ApiEnv {
  Bindings: Partial<HttpBindings>;
  Variables: { requestId: string };
}

/**
 * Aborts when the client goes, at any stage: the request's own signal covers the time until the answer begins, the socket
 * the rest (hono #1770: the former alone is not told before the first write on every runtime).
 */
export function requestSignal(context: Context<ApiEnv>): AbortSignal {
  const { outgoing } = context.env ?? {};
  const own = context.req.raw.signal;
  if (!outgoing) return own;
  const gone = new AbortController();
  outgoing.once("close", () => {
    if (!outgoing.writableFinished) gone.abort(new DOMException("client has gone", "AbortError"));
  });
  return AbortSignal.any([own, gone.signal]);
}
