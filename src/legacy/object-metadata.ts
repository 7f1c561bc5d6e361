import { z } from "zod";
import type { LegacyModel } from "../core/legacy-model.ts";
import { formatFullName, parseModelName } from "../core/model-name.ts";

/** Why an entry cannot be taken over. The texts are what the report says. */
export const SKIP_REASONS = {
  TOO_LARGE: "the value is larger than any metadata",
  NOT_UTF8: "the value is not UTF-8 text",
  NOT_JSON: "the value is not JSON",
  WRONG_FIELD: "a field is missing or of the wrong kind",
  NOT_STORABLE: "a text holds a character that Postgres cannot store, or is nested too deep",
  NAME_TOO_LONG: "the name is longer than the registry's 255 characters",
  NOT_A_MODEL_NAME: "the name is not a model's name",
  DUPLICATE_NAME: "an entry before it has the same name",
} as const;
export type SkipReason = keyof typeof SKIP_REASONS;

export type Parsed =
  | { readonly ok: true; readonly model: LegacyModel }
  | { readonly ok: false; readonly reason: SkipReason; readonly detail: string };

export const VALUE_BYTES_MAX = 256 * 1024;
const NAME_LENGTH_MAX = 255;
const DEPTH_MAX = 64;
const DEFAULT_TYPE = "application/octet-stream";
const utf8 = new TextDecoder("utf-8", { fatal: true });
/** RFC 3339, as Go writes a time.Time. */
const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
/** Go's zero time says nothing. */
const YEAR_ZERO = "0001-";

const timestamp = z
  .string()
  .nullish()
  .transform((text, context) => {
    if (!text || text.startsWith(YEAR_ZERO)) return undefined;
    const date = new Date(TIMESTAMP.test(text) ? text : Number.NaN);
    if (!Number.isNaN(date.getTime()) && date.getTime() >= 0) return date.toISOString();
    context.addIssue("must be a time such as 2025-01-31T12:00:00Z, from 1970 on");
    return z.NEVER;
  });

const replica = z.union([
  z.string().transform((node) => ({ node, path: undefined })),
  z
    .looseObject({
      node_id: z.string().nullish(),
      peer_id: z.string().nullish(),
      node: z.string().nullish(),
      id: z.string().nullish(),
      path: z.string().nullish(),
    })
    .transform(({ node_id, peer_id, node, id, path }, context) => {
      const named = node_id ?? peer_id ?? node ?? id;
      if (named) return { node: named, path: path ?? undefined };
      context.addIssue("names no node");
      return z.NEVER;
    }),
]);

/** The plan's ObjectMetadata. A Go program writes null for what it never set. */
const objectMetadata = z.looseObject({
  key: z.string().min(1),
  size: z.int().nonnegative(),
  content_type: z.string().max(100).nullish(),
  hash: z.string().regex(/^(sha256[:-])?[0-9a-fA-F]{64}$/, "must be a SHA-256 in hex"),
  version: z.string().max(50).nullish(),
  created_at: timestamp,
  updated_at: timestamp,
  accessed_at: timestamp,
  attributes: z.record(z.string(), z.unknown()).nullish(),
  replicas: z.array(replica).nullish(),
});

/** One entry of the old store. Never throws: what cannot be taken over has a reason. */
export function parseObjectMetadata(key: string, value: Uint8Array): Parsed {
  if (value.byteLength > VALUE_BYTES_MAX) return no("TOO_LARGE", `${value.byteLength} bytes`);
  let text: string;
  try {
    text = utf8.decode(value);
  } catch {
    return no("NOT_UTF8", "");
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return no("NOT_JSON", error instanceof Error ? error.message : "");
  }
  // Postgres has no NUL in a text, and no half surrogate pair.
  if (!isStorable(json, 0)) return no("NOT_STORABLE", "");
  const fields = objectMetadata.safeParse(json);
  if (!fields.success) return no("WRONG_FIELD", firstIssue(fields.error));
  return toModel(key, fields.data);
}

function toModel(key: string, fields: z.infer<typeof objectMetadata>): Parsed {
  if (fields.key.length > NAME_LENGTH_MAX) {
    return no("NAME_TOO_LONG", `${fields.key.length} characters`);
  }
  const name = parseModelName(fields.key);
  if (!name) return no("NOT_A_MODEL_NAME", fields.key);
  const full = formatFullName(name);
  if (full.length > NAME_LENGTH_MAX) return no("NAME_TOO_LONG", `${full.length} characters`);
  const { description, tags, ...attributes } = fields.attributes ?? {};
  const isTagList = Array.isArray(tags) && tags.every((tag) => typeof tag === "string");
  const isText = typeof description === "string";
  return {
    ok: true,
    model: {
      key,
      name: full,
      version: fields.version || name.tag.slice(0, 50),
      sizeBytes: fields.size,
      hash: fields.hash.slice(-64).toLowerCase(),
      contentType: fields.content_type || DEFAULT_TYPE,
      description: isText ? description : undefined,
      tags: isTagList ? tags : [],
      // What is not of the kind that its column takes stays among the attributes.
      attributes: {
        ...attributes,
        ...(isTagList || tags === undefined ? {} : { tags }),
        ...(isText || description === undefined ? {} : { description }),
      },
      createdAt: fields.created_at,
      updatedAt: fields.updated_at,
      accessedAt: fields.accessed_at,
      replicas: fields.replicas ?? [],
    },
  };
}

function no(reason: SkipReason, detail: string): Parsed {
  return { ok: false, reason, detail };
}

function firstIssue(error: z.ZodError): string {
  const [issue] = error.issues;
  const where = issue?.path.join(".");
  return where ? `${where}: ${issue?.message}` : (issue?.message ?? "");
}

function isStorable(value: unknown, depth: number): boolean {
  if (typeof value === "string") return value.isWellFormed() && !value.includes("\0");
  if (typeof value !== "object" || value === null) return true;
  if (depth >= DEPTH_MAX) return false;
  return Object.entries(value).every(
    ([name, part]) => isStorable(name, depth) && isStorable(part, depth + 1),
  );
}
