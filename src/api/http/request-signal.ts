import type { Context } from "hono";

/** What Hono's contexts hold here. */
export interface ApiEnv {
  Variables: {
    requestId: string;
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
