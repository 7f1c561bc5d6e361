import { type ManifestDigest, parseManifestDigest } from "../core/digest.ts";
import { type NodeId, parseNodeId } from "../core/node-id.ts";
import { invalid } from "./codec.ts";
import { MULTIADDR_CHARS_MAX, MULTIADDRS_MAX } from "./limits.ts";

/** Parsers for the fields of what peers send. Each throws RECORD_INVALID and names the field. */

const CONTROL_CHARACTERS = /\p{Cc}/u;

export function text(field: string, value: string, charsMax: number): string {
  if (value.length > charsMax) throw invalid(`${field} has ${value.length} characters`);
  if (CONTROL_CHARACTERS.test(value)) throw invalid(`${field} has control characters`);
  return value;
}

export function nodeId(field: string, value: string): NodeId {
  const id = parseNodeId(value);
  if (!id) throw invalid(`${field} is no node id`);
  return id;
}

export function digest(field: string, bytes: Uint8Array): ManifestDigest {
  const parsed = parseManifestDigest(Buffer.from(bytes).toString("hex"));
  if (!parsed) throw invalid(`${field} is no SHA-256 digest`);
  return parsed;
}

export function digestBytes(digest: ManifestDigest): Uint8Array {
  return Buffer.from(digest, "hex");
}

/** A uint64 that is a size, a count or a time. */
export function safeNumber(field: string, value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw invalid(`${field} is too large`);
  return Number(value);
}

export function atMost<T>(field: string, items: readonly T[], countMax: number): readonly T[] {
  if (items.length > countMax) throw invalid(`${field} has ${items.length} entries`);
  return items;
}

/** Whether they can be dialled shows when they are: here only their size counts. */
export function multiaddrs(field: string, values: readonly string[]): readonly string[] {
  return atMost(field, values, MULTIADDRS_MAX).map((value) =>
    text(field, value, MULTIADDR_CHARS_MAX),
  );
}

/** For sending: whole numbers that fit, whatever the source measured. */
export function uint64(value: number): bigint {
  return BigInt(Math.max(0, Math.min(Number.MAX_SAFE_INTEGER, Math.round(value) || 0)));
}

export function uint32(value: number): number {
  return Math.max(0, Math.min(0xffff_ffff, Math.round(value) || 0));
}
