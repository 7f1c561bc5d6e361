import { DurationError } from "../../core/duration.ts";
import { INFERENCE_ERRORS, InferenceError, isAborted } from "../../core/errors.ts";
import { goJson } from "../json/go-json.ts";
import { JsonError } from "../json/scan.ts";
import { HttpError } from "./http-error.ts";

export interface ErrorReply {
  readonly status: number;
  readonly message: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** What we do not know is a fault of ours: the client gets no inner text, the log does. */
const UNKNOWN = "internal server error";
const RETRY_AFTER_MIN_S = 1;

/** One table for everything that a handler may throw. */
export function errorReply(error: unknown): ErrorReply {
  if (error instanceof HttpError) return reply(error.status, error.message);
  if (error instanceof JsonError || error instanceof DurationError)
    return reply(400, error.message);
  if (error instanceof InferenceError) {
    const { status } = INFERENCE_ERRORS[error.code];
    return error.code === "BUSY"
      ? reply(status, error.message, { "Retry-After": retryAfter(error) })
      : reply(status, error.message);
  }
  return isAborted(error) ? reply(499, "request canceled") : reply(500, UNKNOWN);
}

export function isKnown(error: unknown): boolean {
  return errorReply(error).message !== UNKNOWN;
}

/** Ollama's error body, before anything was sent. */
export function errorResponse(error: unknown): Response {
  const { status, message, headers } = errorReply(error);
  return new Response(goJson({ error: message }), {
    status,
    headers: { "Content-Type": "application/json; charset=utf-8", ...headers },
  });
}

function reply(
  status: number,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): ErrorReply {
  return { status, message, headers };
}

/** Whole seconds (RFC 9110, 10.2.3). */
function retryAfter(error: InferenceError): string {
  const ms = error.details["retryAfterMs"];
  const seconds = typeof ms === "number" ? Math.ceil(ms / 1_000) : RETRY_AFTER_MIN_S;
  return String(Math.max(RETRY_AFTER_MIN_S, seconds));
}
