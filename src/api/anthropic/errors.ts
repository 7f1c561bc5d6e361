import type { Random } from "../../core/random.ts";
import { failureReply } from "../dialects/failure.ts";
import { newId } from "../dialects/ids.ts";
import { goJson } from "../json/go-json.ts";

/** Any other is "api_error" (https://docs.anthropic.com/en/api/errors). */
const TYPES: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  503: "overloaded_error",
  529: "overloaded_error",
};

/** Anthropic's envelope; in a stream it is the last event. */
export function anthropicErrorBody(
  error: unknown,
  random: Random,
): Readonly<Record<string, unknown>> {
  const { status, message } = failureReply(error);
  const type = TYPES[status] ?? "api_error";
  return { type: "error", error: { type, message }, request_id: newId("req_", random) };
}

export function anthropicErrorResponse(error: unknown, random: Random): Response {
  const { status, headers } = failureReply(error);
  return new Response(goJson(anthropicErrorBody(error, random)), {
    status,
    headers: { "Content-Type": "application/json", ...headers },
  });
}
