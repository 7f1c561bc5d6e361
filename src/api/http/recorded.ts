import type { Context } from "hono";
import { InferenceError } from "../../core/errors.ts";
import { type EndedRequest, noRecorder } from "../../core/history.ts";
import type { Inference } from "../../core/ports.ts";
import type { RouteContext } from "../deps.ts";
import { isRecord } from "../json/decode.ts";
import { errorReply } from "./error-response.ts";
import { HttpError } from "./http-error.ts";
import type { ApiEnv } from "./request-signal.ts";

type Handler = (c: Context<ApiEnv>, context: RouteContext) => Promise<Response>;

/**
 * Every call of the route leaves one row in the history. What the router runs it records itself; this records the others: those
 * that were refused before they came to it, and those that only load a model, unload it or have a prompt rendered.
 */
export function recorded(kind: EndedRequest["kind"], handler: Handler): Handler {
  return async (c, context) => {
    const { clock, recorder = noRecorder } = context;
    const arrivedMs = clock.nowMs();
    const arrivedAtMs = clock.wallMs();
    let isRouted = false;
    const record = (failure: EndedRequest["failure"]): void => {
      if (isRouted) return;
      recorder.record({
        ...NOT_ROUTED,
        requestId: c.get("requestId"),
        kind,
        userId: c.get("principal")?.userId,
        modelName: c.get("modelAsked") ?? "",
        arrivedAtMs,
        durationMs: clock.nowMs() - arrivedMs,
        failure,
      });
    };
    const inference = watched(context.inference, () => {
      isRouted = true;
    });
    try {
      const response = await handler(c, { ...context, inference });
      record(undefined);
      return response;
    } catch (error) {
      // Its message may quote what the client sent.
      record({ code: codeOf(error), message: "" });
      throw error;
    }
  };
}

const NOT_ROUTED = {
  model: undefined,
  prompt: [],
  responseLength: 0,
  promptTokens: 0,
  outputTokens: 0,
  nodes: [],
  attempts: 0,
  strategy: "single",
} as const;

function watched(inference: Inference, onRouted: () => void): Inference {
  return {
    generate: (request, o) => {
      if (!request.renderOnly) onRouted();
      return inference.generate(request, o);
    },
    embed: (request, o) => {
      onRouted();
      return inference.embed(request, o);
    },
    tokens: (request, o) => inference.tokens(request, o),
    load: (request, o) => inference.load(request, o),
    unload: (model, o) => inference.unload(model, o),
    show: (model, options, o) => inference.show(model, options, o),
  };
}

const CODES: Readonly<Record<number, string>> = {
  400: "INVALID_REQUEST",
  404: "MODEL_UNKNOWN",
  413: "BODY_TOO_LARGE",
  499: "CANCELLED",
};

function codeOf(error: unknown): string {
  if (error instanceof InferenceError) return error.code;
  const { status } = errorReply(error);
  // Ollama's status for an option of the wrong type is 500.
  return CODES[status] ?? (error instanceof HttpError ? "INVALID_OPTION" : "INTERNAL");
}

/** What the client calls the model, for the history of a request that is refused, whatever else is wrong with it. */
export function noteModel(c: Context<ApiEnv>, body: unknown): void {
  if (!isRecord(body)) return;
  // As the decoder has it: in any case, and the last one counts.
  const model = Object.entries(body).findLast(([name]) => name.toLowerCase() === "model")?.[1];
  if (typeof model === "string") c.set("modelAsked", model);
}
