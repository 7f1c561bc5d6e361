import { errorReply } from "../http/error-response.ts";
import { HttpError } from "../http/http-error.ts";
import { goJson } from "../json/go-json.ts";

/** The specification's words where the route gave none. */
const CODES: Readonly<Record<number, string>> = {
  400: "NAME_INVALID",
  401: "UNAUTHORIZED",
  403: "DENIED",
  405: "UNSUPPORTED",
  416: "SIZE_INVALID",
  429: "TOOMANYREQUESTS",
};

/** As OCI's distribution specification has it (1.1, "Error Codes"). */
export function ociErrorResponse(error: unknown): Response {
  const { status, message, headers } = errorReply(error);
  const given = error instanceof HttpError ? error.reason : undefined;
  const code = given ?? CODES[status] ?? "UNKNOWN";
  return new Response(goJson({ errors: [{ code, message }] }), {
    status,
    headers: { "Content-Type": "application/json", ...headers },
  });
}
