import {
  INFERENCE_ERRORS,
  InferenceError,
  type InferenceErrorCode,
  messageOf,
} from "../core/errors.ts";
import type {
  EmbedRequest,
  GenerateRequest,
  LoadRequest,
  TokensRequest,
} from "../core/inference.ts";
import type { DescribeOptions } from "../core/model.ts";
import type { Check } from "./checks.ts";
import { checkReply, checkRequest, type ReplyMessage, type RequestMessage } from "./wire-schema.ts";

/**
 * Both ends of /ollamamax/inference/1: JSON, because most of a request is clients' own JSON, and because V8's parser reads the
 * small messages, which are the frequent ones, several times faster than a protobuf library in JavaScript. What does not
 * parse is STREAM_BROKEN.
 */

/** A request as its sender has it. */
export type Request =
  | ({ readonly call: "generate" } & GenerateRequest)
  | ({ readonly call: "embed" } & EmbedRequest)
  | ({ readonly call: "load" } & LoadRequest)
  | ({ readonly call: "tokens" } & TokensRequest)
  | { readonly call: "unload"; readonly requestId: string; readonly model: string }
  | ({
      readonly call: "show";
      readonly requestId: string;
      readonly model: string;
    } & DescribeOptions);

export type Reply = Exclude<ReplyMessage, { reply: "error" }>;

export function encodeRequest(request: Request): Uint8Array {
  if (request.call === "generate") {
    const { call, requestId, model, ...rest } = request;
    return json({ call, requestId, model, request: { ...rest, ...keepAliveOf(request) } });
  }
  return json({ ...request, ...keepAliveOf(request) });
}

/** What is JSON, but nothing that this version knows, is UNSUPPORTED: a newer node's question speaks against nobody. */
export function decodeRequest(bytes: Uint8Array): RequestMessage {
  const request = checked(fromJson(bytes), checkRequest, (problem) => {
    const message = `this version cannot do what the peer asks: the request ${problem}`;
    return new InferenceError("UNSUPPORTED", message);
  });
  return request.call === "generate"
    ? { ...request, request: withKeepAlive(request.request) }
    : withKeepAlive(request);
}

export function encodeReply(reply: ReplyMessage): Uint8Array {
  return json(reply);
}

/** An error reply is thrown as the InferenceError that the peer had. */
export function decodeReply(bytes: Uint8Array): Reply {
  const reply = checked(fromJson(bytes), checkReply, (problem) =>
    broken(`a message of the peer cannot be read: the reply ${problem}`),
  );
  if (reply.reply !== "error") return reply;
  const { code, message, retryAfterMs } = reply;
  if (!isErrorCode(code)) throw broken(`the peer sent the unknown error ${code.slice(0, 40)}`);
  throw new InferenceError(code, message, {
    details: retryAfterMs === undefined ? {} : { retryAfterMs },
  });
}

/** A failure as it travels; what is not an InferenceError is a fault of this node's runner. */
export function errorReply(error: unknown): ReplyMessage {
  const known = error instanceof InferenceError ? error : undefined;
  const retryAfterMs = known?.details["retryAfterMs"];
  return {
    reply: "error",
    code: known?.code ?? "RUNNER_DIED",
    message: messageOf(error),
    ...(typeof retryAfterMs === "number" ? { retryAfterMs } : {}),
  };
}

export function encodeVector(vector: readonly number[]): string {
  const bytes = Buffer.allocUnsafe(vector.length * FLOAT_BYTES);
  for (const [index, value] of vector.entries()) bytes.writeFloatLE(value, index * FLOAT_BYTES);
  return bytes.toString("base64");
}

export function decodeVector(base64: string): readonly number[] {
  const bytes = Buffer.from(base64, "base64");
  if (bytes.length % FLOAT_BYTES !== 0) throw broken("the peer sent a vector of broken numbers");
  return Array.from({ length: bytes.length / FLOAT_BYTES }, (_, index) =>
    bytes.readFloatLE(index * FLOAT_BYTES),
  );
}

const FLOAT_BYTES = 4;
const FOR_EVER_MS = Number.POSITIVE_INFINITY;

export function broken(message: string, cause?: unknown): InferenceError {
  return new InferenceError("STREAM_BROKEN", message, { cause });
}

function keepAliveOf(request: Request): { readonly keepAliveMs?: number } {
  if (!("keepAliveMs" in request) || request.keepAliveMs === undefined) return {};
  return { keepAliveMs: request.keepAliveMs === FOR_EVER_MS ? -1 : request.keepAliveMs };
}

/** JSON has no Infinity: "for ever" travels as -1. */
function withKeepAlive<T extends object>(request: T): T {
  if (!("keepAliveMs" in request) || Number(request.keepAliveMs) >= 0) return request;
  return { ...request, keepAliveMs: FOR_EVER_MS };
}

function json(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

function fromJson(bytes: Uint8Array): unknown {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
  try {
    return JSON.parse(text);
  } catch (error) {
    throw broken(`a message of the peer is no JSON: ${messageOf(error)}`, error);
  }
}

function checked<T>(value: unknown, check: Check<T>, error: (problem: string) => Error): T {
  const problem = check(value);
  if (problem !== undefined) throw error(problem.slice(0, WHY_CHARS_MAX));
  // The check has just said so.
  return value as T;
}

const WHY_CHARS_MAX = 500;

function isErrorCode(code: string): code is InferenceErrorCode {
  return Object.hasOwn(INFERENCE_ERRORS, code);
}
