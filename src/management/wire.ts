import { z } from "zod";
import { parseManifestDigest } from "../core/digest.ts";
import type { RegistryRequest } from "../core/distribution.ts";
import { messageOf } from "../core/errors.ts";
import {
  type CreateRequest,
  isManagementCode,
  ManagementError,
  type ManagementErrorCode,
  managementCodeOf,
} from "../core/management.ts";
import { type ModelName, parseModelName } from "../core/model-name.ts";
import { parseNodeId } from "../core/node-id.ts";

/** Both ends of /ollamamax/manage/1: one request, then progress and an end, as JSON. */

const TEXT_CHARS_MAX = 1_000;
const TRANSFERS_MAX = 1_000;
/** A month. */
export const DEADLINE_MS_MAX = 30 * 86_400_000;

const name = z
  .object({ host: z.string(), namespace: z.string(), model: z.string(), tag: z.string() })
  // What becomes a path is checked where it comes in, too.
  .refine((parts) => isName(parts), "is no model name");

const message = z.object({
  role: z.string(),
  content: z.string(),
  thinking: z.string().exactOptional(),
  images: z.array(z.string()).exactOptional(),
});

const modelInfo = z.object({
  family: z.string().exactOptional(),
  baseName: z.string().exactOptional(),
  quantization: z.string().exactOptional(),
  parameterSize: z.string().exactOptional(),
  contextLength: z.int().exactOptional(),
  embeddingLength: z.int().exactOptional(),
  capabilities: z.array(z.string()).exactOptional(),
});

const createRequest = z.object({
  name,
  from: name.exactOptional(),
  files: z.record(z.string(), z.string()),
  adapters: z.record(z.string(), z.string()),
  template: z.string().exactOptional(),
  system: z.string().exactOptional(),
  licenses: z.array(z.string()),
  parameters: z.record(z.string(), z.unknown()),
  messages: z.array(message),
  renderer: z.string().exactOptional(),
  parser: z.string().exactOptional(),
  requires: z.string().exactOptional(),
  quantize: z.string().exactOptional(),
  info: modelInfo.exactOptional(),
});

const registryRequest = z.object({
  name,
  insecure: z.boolean(),
  scheme: z.enum(["http", "https"]).exactOptional(),
});

const requestSchema = z.discriminatedUnion("call", [
  z.object({ call: z.literal("copy"), source: name, destination: name }),
  z.object({ call: z.literal("remove"), name }),
  z.object({ call: z.literal("create"), request: createRequest }),
  z.object({ call: z.enum(["pull", "push"]), request: registryRequest }),
  z.object({ call: z.literal("transfers") }),
  z.object({
    call: z.literal("drain"),
    action: z.enum(["begin", "end", "tell"]),
    deadlineMs: z.number().positive().max(DEADLINE_MS_MAX).exactOptional(),
  }),
]);

export type Request =
  | { readonly call: "copy"; readonly source: ModelName; readonly destination: ModelName }
  | { readonly call: "remove"; readonly name: ModelName }
  | { readonly call: "create"; readonly request: CreateRequest }
  | { readonly call: "pull" | "push"; readonly request: RegistryRequest }
  | { readonly call: "transfers" }
  | {
      readonly call: "drain";
      readonly action: "begin" | "end" | "tell";
      readonly deadlineMs?: number;
    };

const text = z.string().max(TEXT_CHARS_MAX);
const amount = z.number().nonnegative();

const transfer = z.object({
  model: parsedBy(parseManifestDigest),
  name,
  ...{ totalBytes: amount, doneBytes: amount, bytesPerSecond: amount, runningMs: amount },
  remainingMs: amount.exactOptional(),
  sources: z
    .array(z.object({ node: parsedBy(parseNodeId), receivedBytes: amount, bytesPerSecond: amount }))
    .max(TRANSFERS_MAX)
    .readonly(),
});

function parsedBy<T>(parse: (text: string) => T | undefined) {
  return text.transform((given, context): T => {
    const parsed = parse(given);
    if (parsed !== undefined) return parsed;
    context.addIssue({ code: "custom", message: "is no id" });
    return z.NEVER;
  });
}
const replySchema = z.discriminatedUnion("reply", [
  z.object({
    reply: z.literal("progress"),
    progress: z.object({
      status: text,
      digest: text.exactOptional(),
      total: z.number().exactOptional(),
      completed: z.number().exactOptional(),
    }),
  }),
  z.object({ reply: z.literal("done"), found: z.boolean() }),
  z.object({
    reply: z.literal("drain"),
    state: z.object({
      draining: z.boolean(),
      sinceMs: z.number().exactOptional(),
      deadlineInMs: z.number().exactOptional(),
      running: z.number(),
    }),
  }),
  z.object({ reply: z.literal("transfers"), transfers: z.array(transfer).max(TRANSFERS_MAX) }),
  z.object({ reply: z.literal("error"), code: text, message: z.string() }),
]);
export type Reply = z.output<typeof replySchema>;

export function encode(message: Request | Reply): Uint8Array {
  return Buffer.from(JSON.stringify(message));
}

export function decodeRequest(bytes: Uint8Array): Request {
  return decode(requestSchema, bytes);
}

/** An error is thrown as the ManagementError that the peer had. */
export function decodeReply(bytes: Uint8Array): Exclude<Reply, { reply: "error" }> {
  const reply = decode(replySchema, bytes);
  if (reply.reply !== "error") return reply;
  const code: ManagementErrorCode = isManagementCode(reply.code) ? reply.code : "NODES_FAILED";
  throw new ManagementError(code, reply.message);
}

export function errorReply(error: unknown): Reply {
  const code = managementCodeOf(error) ?? "NODES_FAILED";
  return { reply: "error", code, message: messageOf(error) };
}

function decode<T>(schema: z.ZodType<T>, bytes: Uint8Array): T {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString());
  } catch (cause) {
    throw new ManagementError("NODES_FAILED", "a peer's message is no JSON", { cause });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const place = issue?.path.map(String).join(".");
  throw new ManagementError(
    "NODES_FAILED",
    `this version cannot read what the peer says: ${place} ${issue?.message}`,
  );
}

function isName({ host, namespace, model, tag }: ModelName): boolean {
  const parsed = parseModelName(`${host}/${namespace}/${model}:${tag}`);
  return parsed?.host === host && parsed.namespace === namespace && parsed.tag === tag;
}
