import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { z } from "zod";
import {
  INFERENCE_ERRORS,
  InferenceError,
  type InferenceErrorCode,
  messageOf,
} from "../core/errors.ts";
import type { GenerateEvent, Logprob, TokenLogprob } from "../core/inference.ts";
import {
  EndReason,
  type GenerateEvent as EventMessage,
  type GenerateEventSchema,
  type InferenceReply,
  InferenceReplySchema,
  type InferenceRequest,
  InferenceRequestSchema,
  type Logprob as LogprobMessage,
  type TokenLogprob as TokenLogprobMessage,
} from "../gen/ollamamax/v1/inference_pb.ts";

/** Both ends of /ollamamax/inference/1: core types to bytes and back. What does not parse is STREAM_BROKEN. */

export function encodeRequest(
  message: MessageInitShape<typeof InferenceRequestSchema>,
): Uint8Array {
  return toBinary(InferenceRequestSchema, create(InferenceRequestSchema, message));
}

export function decodeRequest(bytes: Uint8Array): InferenceRequest {
  return decoded(() => fromBinary(InferenceRequestSchema, bytes));
}

export function encodeReply(message: MessageInitShape<typeof InferenceReplySchema>): Uint8Array {
  return toBinary(InferenceReplySchema, create(InferenceReplySchema, message));
}

/** The reply; an error reply is thrown as the InferenceError that the peer had. */
export function decodeReply(
  bytes: Uint8Array,
): Exclude<InferenceReply["reply"], { case: "error" }> {
  const { reply } = decoded(() => fromBinary(InferenceReplySchema, bytes));
  if (reply.case !== "error") return reply;
  const { code, message, retryAfterMs } = reply.value;
  if (!isErrorCode(code)) throw broken(`the peer sent the unknown error ${code.slice(0, 40)}`);
  throw new InferenceError(code, message, {
    details: retryAfterMs === undefined ? {} : { retryAfterMs },
  });
}

/** A failure as it travels; what is not an InferenceError is a fault of this node's runner. */
export function errorReply(error: unknown): MessageInitShape<typeof InferenceReplySchema> {
  const known = error instanceof InferenceError ? error : undefined;
  const retryAfterMs = z.number().safeParse(known?.details["retryAfterMs"]);
  return {
    reply: {
      case: "error",
      value: {
        code: known?.code ?? "RUNNER_DIED",
        message: messageOf(error),
        ...(retryAfterMs.success ? { retryAfterMs: retryAfterMs.data } : {}),
      },
    },
  };
}

export function toEventMessage(event: GenerateEvent): MessageInitShape<typeof GenerateEventSchema> {
  switch (event.type) {
    case "queued":
      return { event: { case: "queued", value: { position: event.position } } };
    case "loading":
      return { event: { case: "loading", value: { fraction: event.fraction } } };
    case "rendered":
      return { event: { case: "rendered", value: { prompt: event.prompt } } };
    case "started": {
      const { promptTokens, cachedTokens, loadMs } = event;
      return { event: { case: "started", value: { promptTokens, cachedTokens, loadMs } } };
    }
    case "text": {
      const { text, tokens, logprobs = [] } = event;
      return {
        event: { case: "text", value: { text, tokens, logprobs: logprobs.map(toLogprob) } },
      };
    }
    case "end": {
      const { promptTokens, tokens, promptMs, outputMs, context } = event;
      const reason = event.reason === "stop" ? EndReason.STOP : EndReason.LENGTH;
      const value = { reason, promptTokens, tokens, promptMs, outputMs };
      const hasContext = context !== undefined;
      return {
        event: { case: "end", value: { ...value, context: [...(context ?? [])], hasContext } },
      };
    }
  }
}

export function fromEventMessage({ event }: EventMessage): GenerateEvent {
  switch (event.case) {
    case "queued":
      return { type: "queued", position: event.value.position };
    case "loading":
      return { type: "loading", fraction: event.value.fraction };
    case "rendered":
      return { type: "rendered", prompt: event.value.prompt };
    case "started": {
      const { promptTokens, cachedTokens, loadMs } = event.value;
      return { type: "started", promptTokens, cachedTokens, loadMs };
    }
    case "text": {
      const { text, tokens, logprobs } = event.value;
      const list = logprobs.map(fromLogprob);
      return { type: "text", text, tokens, ...(list.length > 0 ? { logprobs: list } : {}) };
    }
    case "end": {
      const { promptTokens, tokens, promptMs, outputMs, context, hasContext } = event.value;
      const reason = event.value.reason === EndReason.LENGTH ? "length" : "stop";
      const end = { type: "end", reason, promptTokens, tokens, promptMs, outputMs } as const;
      return hasContext ? { ...end, context } : end;
    }
    case undefined:
      throw broken("the peer sent an event of a kind that this version does not know");
  }
}

function toLogprob({ top, ...chosen }: Logprob) {
  return { chosen: toToken(chosen), top: (top ?? []).map(toToken), hasTop: top !== undefined };
}

function toToken({ token, logprob, bytes }: TokenLogprob) {
  return { token, logprob, utf8: Uint8Array.from(bytes) };
}

function fromLogprob({ chosen, top, hasTop }: LogprobMessage): Logprob {
  if (!chosen) throw broken("the peer sent a log probability without its token");
  return hasTop ? { ...fromToken(chosen), top: top.map(fromToken) } : fromToken(chosen);
}

function fromToken({ token, logprob, utf8 }: TokenLogprobMessage): TokenLogprob {
  return { token, logprob, bytes: [...utf8] };
}

/** JSON inside a message, checked by its schema. */
export function parseBody<T>(schema: z.ZodType<T>, bytes: Uint8Array): T {
  return decoded(() => schema.parse(JSON.parse(Buffer.from(bytes).toString())));
}

function decoded<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw broken(`a message of the peer cannot be read: ${messageOf(error)}`, error);
  }
}

export function broken(message: string, cause?: unknown): InferenceError {
  return new InferenceError("STREAM_BROKEN", message, { cause });
}

function isErrorCode(code: string): code is InferenceErrorCode {
  return Object.hasOwn(INFERENCE_ERRORS, code);
}
