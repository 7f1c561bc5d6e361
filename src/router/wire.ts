import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { z } from "zod";
import {
  INFERENCE_ERRORS,
  InferenceError,
  type InferenceErrorCode,
  messageOf,
} from "../core/errors.ts";
import type { GenerateEvent } from "../core/inference.ts";
import {
  type InferenceReply,
  InferenceReplySchema,
  type InferenceRequest,
  InferenceRequestSchema,
} from "../gen/ollamamax/v1/inference_pb.ts";
import { eventsSchema } from "./wire-schema.ts";

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

export function encodeEvents(events: readonly GenerateEvent[]): Uint8Array {
  return encodeReply({ reply: { case: "eventsJson", value: json(events) } });
}

/** Of a reply with events. */
export function decodeEvents(eventsJson: Uint8Array): readonly GenerateEvent[] {
  return parseBody(eventsSchema, eventsJson);
}

export function json(value: unknown): Uint8Array<ArrayBuffer> {
  return Buffer.from(JSON.stringify(value));
}

/** JSON inside a message, checked by its schema. */
export function parseBody<T>(schema: z.ZodType<T>, bytes: Uint8Array): T {
  return decoded(() => {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
    return schema.parse(JSON.parse(text));
  });
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
