import type { ServerResponse } from "node:http";
import type { Context } from "hono";
import type { Principal } from "../../core/auth.ts";
import type { Asking } from "../../core/ports.ts";

/** What Hono's contexts hold here. */
export interface ApiEnv {
  /** From the listener; a request that a test makes has none. */
  Bindings: {
    readonly incoming?: { readonly socket: { readonly remoteAddress?: string | undefined } };
    readonly outgoing?: Pick<ServerResponse, "once" | "destroyed">;
  };
  Variables: {
    requestId: string;
    /** Who calls; unset where nobody is asked. */
    principal?: Principal;
    /** What the client calls the model; unset: it did not say, or nobody asked. */
    modelAsked?: string;
    /** Set once a stream is asked for: Ollama's errors before its first line have another content type. */
    streaming?: true;
  };
}

/**
 * Aborts when the client goes, at any stage. The request's own signal tells when; but its reason is a text, and what
 * waits would throw that text.
 */
export function requestSignal(context: Context<ApiEnv>): AbortSignal {
  const own = context.req.raw.signal;
  const gone = new AbortController();
  const abort = (): void => gone.abort(new DOMException("the client has gone", "AbortError"));
  if (own.aborted) abort();
  else own.addEventListener("abort", abort, { once: true });
  return gone.signal;
}

/** A request for inference: as long as its client waits, and in the name of whoever calls. */
export function askingOf(
  context: Context<ApiEnv>,
  { name: modelName }: { readonly name: string },
): Asking {
  const userId = context.get("principal")?.userId;
  return {
    signal: requestSignal(context),
    modelName,
    ...(userId === undefined ? {} : { userId }),
  };
}
