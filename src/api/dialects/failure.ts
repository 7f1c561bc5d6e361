import { InferenceError } from "../../core/errors.ts";
import { type ErrorReply, errorReply } from "../http/error-response.ts";

/**
 * As Ollama's own API has it, but that an option which the engine refuses is the client's doing here too: Ollama says 500,
 * and these APIs' clients try again after that.
 */
export function failureReply(error: unknown): ErrorReply {
  const reply = errorReply(error);
  const isOption = error instanceof InferenceError && error.code === "INVALID_OPTION";
  return isOption ? { ...reply, status: 400 } : reply;
}
