import { z } from "zod";
import type { GenerateRequest } from "../core/inference.ts";

/** Limits on what a peer may ask for; a client's own limits are the API's. */
const MESSAGES_MAX = 10_000;
const LIST_MAX = 10_000;
const CONTEXT_MAX = 4_194_304;

/**
 * A key that may be absent. `undefined` cannot come: this parses JSON. Zod's own `exactOptional` makes an error for every key
 * that is not there and throws it away, which is most of a small request's cost.
 */
function maybe<T extends z.ZodType>(schema: T): z.ZodExactOptional<T> {
  return z.optional(schema) as unknown as z.ZodExactOptional<T>;
}

const count = z.number().int();
const runner = z.strictObject({
  numCtx: maybe(count),
  numBatch: maybe(count),
  numGpu: maybe(count),
  mainGpu: maybe(count),
  useMmap: maybe(z.boolean()),
  numThread: maybe(count),
});
const sampling = z.strictObject({
  seed: maybe(z.number()),
  temperature: maybe(z.number()),
  topK: maybe(z.number()),
  topP: maybe(z.number()),
  minP: maybe(z.number()),
  typicalP: maybe(z.number()),
  repeatLastN: maybe(z.number()),
  repeatPenalty: maybe(z.number()),
  presencePenalty: maybe(z.number()),
  frequencyPenalty: maybe(z.number()),
  numKeep: maybe(z.number()),
});
const message = z.strictObject({
  role: z.string(),
  content: z.string(),
  thinking: maybe(z.string()),
  images: maybe(z.array(z.string()).max(LIST_MAX)),
  toolCalls: maybe(
    z
      .array(
        z.strictObject({
          id: maybe(z.string()),
          name: z.string(),
          arguments: z.record(z.string(), z.unknown()),
        }),
      )
      .max(LIST_MAX),
  ),
  toolName: maybe(z.string()),
  toolCallId: maybe(z.string()),
});
const input = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("messages"),
    messages: z.array(message).max(MESSAGES_MAX),
    tools: maybe(z.array(z.unknown()).max(LIST_MAX)),
    think: maybe(z.union([z.boolean(), z.enum(["low", "medium", "high", "max"])])),
    template: maybe(z.string()),
    context: maybe(z.array(count).max(CONTEXT_MAX)),
  }),
  z.strictObject({
    kind: z.literal("prompt"),
    prompt: z.string(),
    suffix: maybe(z.string()),
  }),
]);

/** JSON has no Infinity: "for ever" travels as -1. */
const keepAlive = maybe(z.number().transform((ms) => (ms < 0 ? Number.POSITIVE_INFINITY : ms)));

export const runnerSchema = runner;
export const generateSchema = z.strictObject({
  input,
  runner,
  sampling,
  stop: maybe(z.array(z.string()).max(LIST_MAX)),
  format: maybe(z.union([z.literal("json"), z.record(z.string(), z.unknown())])),
  maxTokens: maybe(count),
  keepAliveMs: keepAlive,
  truncate: maybe(z.boolean()),
  shift: maybe(z.boolean()),
  logprobs: maybe(z.strictObject({ top: count })),
  renderOnly: maybe(z.boolean()),
  returnContext: maybe(z.boolean()),
  resume: maybe(z.strictObject({ text: z.string(), tokens: count })),
});

const token = { token: z.string(), logprob: z.number(), bytes: z.array(count) };
const logprob = z.strictObject({ ...token, top: maybe(z.array(z.strictObject(token))) });

export const eventsSchema = z.array(
  z.discriminatedUnion("type", [
    z.strictObject({
      type: z.literal("text"),
      text: z.string(),
      tokens: count,
      logprobs: maybe(z.array(logprob)),
    }),
    z.strictObject({
      type: z.literal("started"),
      promptTokens: count,
      cachedTokens: count,
      loadMs: z.number(),
    }),
    z.strictObject({
      type: z.literal("end"),
      reason: z.enum(["stop", "length"]),
      promptTokens: count,
      tokens: count,
      promptMs: z.number(),
      outputMs: z.number(),
      context: maybe(z.array(count)),
    }),
    z.strictObject({ type: z.literal("queued"), position: count }),
    z.strictObject({ type: z.literal("loading"), fraction: z.number() }),
    z.strictObject({ type: z.literal("rendered"), prompt: z.string() }),
  ]),
);

export type GenerateBody = Omit<GenerateRequest, "requestId" | "model">;

export function encodeGenerateBody(request: GenerateRequest): Uint8Array {
  const { requestId: _id, model: _model, keepAliveMs, ...body } = request;
  return Buffer.from(
    JSON.stringify({
      ...body,
      ...(keepAliveMs === undefined ? {} : { keepAliveMs: encodeKeepAlive(keepAliveMs) }),
    }),
  );
}

export function encodeKeepAlive(ms: number): number {
  return Number.isFinite(ms) ? ms : -1;
}

export function decodeKeepAlive(ms: number): number {
  return ms < 0 ? Number.POSITIVE_INFINITY : ms;
}
