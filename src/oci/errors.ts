import { AppError } from "../core/errors.ts";
import { ManagementError } from "../core/management.ts";

/** What another try may mend. It never leaves this folder: when no try is left it becomes a ManagementError. */
export class TransferError extends AppError<
  "CONNECTION_FAILED" | "CUT_OFF" | "STALLED" | "REFUSED"
> {}

export function invalid(message: string, cause?: unknown): ManagementError {
  return new ManagementError("REGISTRY_INVALID", message, { cause });
}

/** Ollama's words for a request that the registry refused also with the token it asked for. */
export function unauthorized(): ManagementError {
  return new ManagementError("REGISTRY_UNAUTHORIZED", "unauthorized: access denied");
}

/** As callers of this folder see it. */
export function asManagementError(error: unknown): unknown {
  if (!(error instanceof TransferError)) return error;
  const code = error.code === "REFUSED" ? "REGISTRY_REFUSED" : "REGISTRY_UNREACHABLE";
  return new ManagementError(code, error.message, { cause: error });
}

/** Puts Ollama's words for the step that failed before what went wrong. */
export function during(step: string, error: unknown): unknown {
  const known = asManagementError(error);
  if (!(known instanceof ManagementError)) return known;
  const { code, details } = known;
  return new ManagementError(code, `${step}: ${known.message}`, { details, cause: error });
}
