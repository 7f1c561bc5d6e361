import { AppError } from "../../core/errors.ts";

/** A refusal with the status and the text that Ollama's clients know. */
export class HttpError extends AppError<"REFUSED"> {
  readonly status: number;

  constructor(status: number, message: string) {
    super("REFUSED", message);
    this.status = status;
  }
}
