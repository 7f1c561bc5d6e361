/** A failure that somebody expects: switch on `code`, never on the text. Bugs are plain Errors. */
export class AppError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: Code,
    message: string,
    options: { details?: Readonly<Record<string, unknown>>; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.details = options.details ?? {};
  }
}

/**
 * What can go wrong with an inference request, and what the router makes of it.
 *
 * - `elsewhere`: another replica may be asked.
 * - `resume`: also after the first token, when another replica can go on from the text already sent.
 * - `against`: what it says about the node that failed: nothing, its announcement, its replica, or its health.
 * - `status`: the HTTP status when nothing is left to try.
 */
export const INFERENCE_ERRORS = {
  INVALID_REQUEST: { elsewhere: false, resume: false, against: "nothing", status: 400 },
  INVALID_OPTION: { elsewhere: false, resume: false, against: "nothing", status: 500 },
  UNSUPPORTED: { elsewhere: false, resume: false, against: "nothing", status: 501 },
  MODEL_NOT_HERE: { elsewhere: true, resume: false, against: "announcement", status: 404 },
  BUSY: { elsewhere: true, resume: false, against: "nothing", status: 503 },
  LOAD_FAILED: { elsewhere: true, resume: false, against: "replica", status: 500 },
  RUNNER_DIED: { elsewhere: true, resume: true, against: "health", status: 500 },
  PEER_UNREACHABLE: { elsewhere: true, resume: true, against: "health", status: 502 },
  STREAM_BROKEN: { elsewhere: true, resume: true, against: "health", status: 502 },
  STALLED: { elsewhere: true, resume: true, against: "health", status: 502 },
  CANCELLED: { elsewhere: false, resume: false, against: "nothing", status: 499 },
  DEADLINE: { elsewhere: false, resume: false, against: "nothing", status: 504 },
} as const satisfies Record<
  string,
  {
    elsewhere: boolean;
    resume: boolean;
    against: "nothing" | "announcement" | "replica" | "health";
    status: number;
  }
>;

export type InferenceErrorCode = keyof typeof INFERENCE_ERRORS;

/** `details.retryAfterMs` (BUSY) tells when another try may succeed. The message is what a client reads. */
export class InferenceError extends AppError<InferenceErrorCode> {}

/** True when the error says no more than that somebody aborted. */
export function isAborted(error: unknown): boolean {
  return error instanceof Error && (error.name === "AbortError" || error.name === "TimeoutError");
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
