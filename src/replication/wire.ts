import { z } from "zod";
import { parseBlobDigest, parseManifestDigest } from "../core/digest.ts";
import { PIECE_BYTES } from "../core/pieces.ts";
import { ReplicationError } from "./errors.ts";

/**
 * Both ends of /ollamamax/blob/1. The caller sends one request as JSON and ends. The callee answers with a head as JSON, then
 * with the bytes as they are, in messages of any size: those of the manifest, of the list of hashes, or of each of the pieces
 * that the head names, one after the other. An empty message says that the callee is still at work. A message never holds
 * bytes of two pieces. A callee that cannot go on resets the stream.
 *
 * Of pieces, the caller offers more than it wants, and the callee chooses: it knows which of them it has given to nobody yet.
 */

/** Of the caller's offer. */
export const OFFER_MAX = 64;
export const PIECES_PER_REQUEST_MAX = 8;
export const HASH_BYTES = 32;
const BLOB_BYTES_MAX = 2 ** 44;
const PIECES_MAX = BLOB_BYTES_MAX / PIECE_BYTES;
/** A head holds a bitmap of all pieces at most. */
const HEAD_BYTES_MAX = 1024 * 1024;
const TEXT_CHARS_MAX = 1_000;

const blobDigest = z.string().transform((text, context) => {
  const digest = text.length === HASH_BYTES * 2 ? parseBlobDigest(text) : undefined;
  if (digest) return digest;
  context.addIssue({ code: "custom", message: "is no digest" });
  return z.NEVER;
});

const manifestDigest = z.string().transform((text, context) => {
  const digest = text.length === HASH_BYTES * 2 ? parseManifestDigest(text) : undefined;
  if (digest) return digest;
  context.addIssue({ code: "custom", message: "is no digest" });
  return z.NEVER;
});

const piece = z.int().nonnegative().max(PIECES_MAX);
const sizeBytes = z.int().nonnegative().max(BLOB_BYTES_MAX);

const requestSchema = z.discriminatedUnion("call", [
  z.object({ call: z.literal("manifest"), manifest: manifestDigest }),
  z.object({ call: z.literal("state"), blob: blobDigest }),
  z.object({ call: z.literal("hashes"), blob: blobDigest, sizeBytes }),
  z.object({
    call: z.literal("pieces"),
    blob: blobDigest,
    sizeBytes,
    offered: z.array(piece).min(1).max(OFFER_MAX),
    count: z.int().min(1).max(PIECES_PER_REQUEST_MAX),
    /** Also those that somebody has got already. */
    again: z.boolean(),
  }),
]);
export type Request = z.output<typeof requestSchema>;

const have = z.union([
  z.literal("whole"),
  z.base64().transform((text): Uint8Array => Buffer.from(text, "base64")),
]);
const headSchema = z.discriminatedUnion("reply", [
  z.object({ reply: z.literal("manifest"), sizeBytes }),
  z.object({ reply: z.literal("state"), sizeBytes, have }),
  z.object({ reply: z.literal("hashes"), count: z.int().nonnegative().max(PIECES_MAX) }),
  z.object({
    reply: z.literal("pieces"),
    pieces: z.array(piece).max(PIECES_PER_REQUEST_MAX),
    have,
  }),
  z.object({ reply: z.literal("absent") }),
  z.object({ reply: z.literal("busy") }),
  z.object({ reply: z.literal("error"), message: z.string().max(TEXT_CHARS_MAX) }),
]);
export type Head = z.output<typeof headSchema>;
export type Have = z.output<typeof have>;

export function encodeRequest(request: Request): Uint8Array {
  return Buffer.from(JSON.stringify(request));
}

export function decodeRequest(bytes: Uint8Array): Request {
  return decode(requestSchema, bytes);
}

export function encodeHead(head: Head): Uint8Array {
  return Buffer.from(JSON.stringify(head, (key, value) => (key === "have" ? text(value) : value)));
}

export function decodeHead(bytes: Uint8Array): Head {
  return decode(headSchema, bytes);
}

function text(have: Have): string {
  return have === "whole" ? have : Buffer.from(have).toString("base64");
}

function decode<T>(schema: z.ZodType<T>, bytes: Uint8Array): T {
  if (bytes.length > HEAD_BYTES_MAX) {
    throw new ReplicationError("PEER_LIED", `a peer's head of ${bytes.length} bytes is too large`);
  }
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString());
  } catch (cause) {
    throw new ReplicationError("PEER_LIED", "a peer's message is no JSON", { cause });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const place = issue?.path.map(String).join(".");
  throw new ReplicationError(
    "PEER_LIED",
    `this version cannot read what the peer says: ${place} ${issue?.message}`,
  );
}
