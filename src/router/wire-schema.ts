import { z } from "zod";

/** Limits on what a peer may ask for; a client's own limits are the API's. */
const MESSAGES_MAX = 10_000;
const LIST_MAX = 10_000;
const CONTEXT_MAX = 4_194_304;
const REQUEST_ID_CHARS_MAX = 256;

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

const generate = z.strictObject({
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

const common = { requestId: z.string().max(REQUEST_ID_CHARS_MAX), model: z.string() };

/** What a caller may ask. Strict: what this version does not know it must not leave out. */
export const requestSchema = z.discriminatedUnion("call", [
  z.strictObject({ ...common, call: z.literal("generate"), request: generate }),
  z.strictObject({
    ...common,
    call: z.literal("embed"),
    inputs: z.array(z.string()),
    runner,
    truncate: maybe(z.boolean()),
    keepAliveMs: keepAlive,
  }),
  z.strictObject({ ...common, call: z.literal("load"), runner, keepAliveMs: keepAlive }),
  z.strictObject({ ...common, call: z.literal("unload") }),
  z.strictObject({ ...common, call: z.literal("show"), verbose: z.boolean() }),
]);

const token = { token: z.string(), logprob: z.number(), bytes: z.array(count) };
const logprob = z.object({ ...token, top: maybe(z.array(z.object(token))) });

const events = z.array(
  z.discriminatedUnion("type", [
    z.object({
      type: z.literal("text"),
      text: z.string(),
      tokens: count,
      logprobs: maybe(z.array(logprob)),
    }),
    z.object({
      type: z.literal("started"),
      promptTokens: count,
      cachedTokens: count,
      loadMs: z.number(),
    }),
    z.object({
      type: z.literal("end"),
      reason: z.enum(["stop", "length"]),
      promptTokens: count,
      tokens: count,
      promptMs: z.number(),
      outputMs: z.number(),
      context: maybe(z.array(count)),
    }),
    z.object({ type: z.literal("queued"), position: count }),
    z.object({ type: z.literal("loading"), fraction: z.number() }),
    z.object({ type: z.literal("rendered"), prompt: z.string() }),
  ]),
);

/** Any number of event lists up to the one with the end, or one of the others. */
export const replySchema = z.discriminatedUnion("reply", [
  z.object({ reply: z.literal("events"), events }),
  z.object({
    reply: z.literal("embeddings"),
    /** Each the base64 of its numbers as 32-bit floats, the low byte first. */
    vectors: z.array(z.base64()),
    promptTokens: count,
    loadMs: z.number(),
  }),
  z.object({ reply: z.literal("loaded"), loadMs: z.number() }),
  z.object({ reply: z.literal("unloaded") }),
  z.object({ reply: z.literal("description"), description: z.record(z.string(), z.unknown()) }),
  z.object({
    reply: z.literal("error"),
    code: z.string(),
    message: z.string(),
    retryAfterMs: maybe(z.number()),
  }),
]);

export function encodeKeepAlive(ms: number): number {
  return Number.isFinite(ms) ? ms : -1;
}
