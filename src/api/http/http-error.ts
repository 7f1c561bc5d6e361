import { AppError } from "../../core/errors.ts";

/** Told by the APIs whose errors have a place for it. */
export interface HttpErrorDetails {
  /** The field that is wrong. */
  readonly param?: string;
  /** A word for programs. */
  readonly code?: string;
}

/** A refusal with the status and the text that Ollama's clients know. */
export class HttpError extends AppError<"REFUSED"> {
  readonly status: number;
  readonly param: string | undefined;
  readonly reason: string | undefined;

  constructor(status: number, message: string, { param, code }: HttpErrorDetails = {}) {
    super("REFUSED", message);
    this.status = status;
    this.param = param;
    this.reason = code;
  }
}
