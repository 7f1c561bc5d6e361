import { z } from "zod";
import type { GenerateRequest } from "../core/inference.ts";

/** Limits on what a peer may ask for; a client's own limits are the API's. */
const MESSAGES_MAX = 10_000;
const LIST_MAX = 10_000;
const CONTEXT_MAX = 4_194_304;

const count = z.number().int();
const runner = z.strictObject({
  numCtx: count.exactOptional(),
  numBatch: count.exactOptional(),
  numGpu: count.exactOptional(),
  mainGpu: count.exactOptional(),
  useMmap: z.boolean().exactOptional(),
  numThread: count.exactOptional(),
});
const sampling = z.strictObject({
  seed: z.number().exactOptional(),
  temperature: z.number().exactOptional(),
  topK: z.number().exactOptional(),
  topP: z.number().exactOptional(),
  minP: z.number().exactOptional(),
  typicalP: z.number().exactOptional(),
  repeatLastN: z.number().exactOptional(),
  repeatPenalty: z.number().exactOptional(),
  presencePenalty: z.number().exactOptional(),
  frequencyPenalty: z.number().exactOptional(),
  numKeep: z.number().exactOptional(),
});
const message = z.strictObject({
  role: z.string(),
  content: z.string(),
  thinking: z.string().exactOptional(),
  images: z.array(z.string()).max(LIST_MAX).exactOptional(),
  toolCalls: z
    .array(
      z.strictObject({
        id: z.string().exactOptional(),
        name: z.string(),
        arguments: z.record(z.string(), z.unknown()),
      }),
    )
    .max(LIST_MAX)
    .exactOptional(),
  toolName: z.string().exactOptional(),
  toolCallId: z.string().exactOptional(),
});
const input = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("messages"),
    messages: z.array(message).max(MESSAGES_MAX),
    tools: z.array(z.unknown()).max(LIST_MAX).exactOptional(),
    think: z.union([z.boolean(), z.enum(["low", "medium", "high", "max"])]).exactOptional(),
    template: z.string().exactOptional(),
    context: z.array(count).max(CONTEXT_MAX).exactOptional(),
  }),
  z.strictObject({
    kind: z.literal("prompt"),
    prompt: z.string(),
    suffix: z.string().exactOptional(),
  }),
]);

/** JSON has no Infinity: "for ever" travels as -1. */
const keepAlive = z
  .number()
  .transform((ms) => (ms < 0 ? Number.POSITIVE_INFINITY : ms))
  .exactOptional();

export const runnerSchema = runner;
export const generateSchema = z.strictObject({
  input,
  runner,
  sampling,
  stop: z.array(z.string()).max(LIST_MAX).exactOptional(),
  format: z.union([z.literal("json"), z.record(z.string(), z.unknown())]).exactOptional(),
  maxTokens: count.exactOptional(),
  keepAliveMs: keepAlive,
  truncate: z.boolean().exactOptional(),
  shift: z.boolean().exactOptional(),
  logprobs: z.strictObject({ top: count }).exactOptional(),
  renderOnly: z.boolean().exactOptional(),
  returnContext: z.boolean().exactOptional(),
  resume: z.strictObject({ text: z.string(), tokens: count }).exactOptional(),
});

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
