import { DurationError } from "../../core/duration.ts";
import { INFERENCE_ERRORS, InferenceError, isAborted, messageOf } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import { MANAGEMENT_ERRORS, managementCodeOf } from "../../core/management.ts";
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
/** nginx's status for a client that did not wait; Ollama uses it too. */
const GONE = 499;

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
  const code = managementCodeOf(error);
  if (code) return reply(MANAGEMENT_ERRORS[code].status, messageOf(error));
  return isAborted(error) ? reply(GONE, "request canceled") : reply(500, UNKNOWN);
}

/** Ollama's error body, before anything was sent. */
export function errorResponse(
  error: unknown,
  contentType = "application/json; charset=utf-8",
): Response {
  const { status, message, headers } = errorReply(error);
  return new Response(goJson({ error: message }), {
    status,
    headers: { "Content-Type": contentType, ...headers },
  });
}

/** What a client did wrong is its own to know; that it left is of no interest; the rest is ours to see. */
export function reportFailure(
  log: Logger,
  fields: Readonly<Record<string, unknown>>,
  error: unknown,
): void {
  const { status, message } = errorReply(error);
  const problem = messageOf(error);
  if (status === GONE) log.debug({ ...fields, problem }, "client has gone");
  else if (message === UNKNOWN) {
    log.error({ ...fields, problem, stack: stackOf(error) }, "request failed");
  } else if (status >= 500) log.warn({ ...fields, status, problem }, "request failed");
}

function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? error.stack : undefined;
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
