import { failureReply } from "../dialects/failure.ts";
import { HttpError } from "../http/http-error.ts";
import { goJson } from "../json/go-json.ts";

/** Any other is "api_error", also 429 and 503, as in Ollama. */
const TYPES: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  413: "invalid_request_error",
};

/** OpenAI's envelope; in a stream it is the last event. */
export function openAiErrorBody(error: unknown): {
  readonly error: Readonly<Record<"message" | "type" | "param" | "code", string | null>>;
} {
  const { status, message } = failureReply(error);
  const { param, reason } = error instanceof HttpError ? error : {};
  const type = TYPES[status] ?? "api_error";
  return { error: { message, type, param: param ?? null, code: reason ?? null } };
}

export function openAiErrorResponse(error: unknown): Response {
  const { status, headers } = failureReply(error);
  return new Response(goJson(openAiErrorBody(error)), {
    status,
    headers: { "Content-Type": "application/json", ...headers },
  });
}
