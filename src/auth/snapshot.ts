import type { Identity, KeyRecord } from "../core/auth.ts";
import { hashOf, parseApiKey } from "./api-key.ts";

/** The keys as they were when they were read, and how they are to be judged later. */
export interface Snapshot {
  readonly readAtMs: number;
  readonly byHash: ReadonlyMap<string, KeyRecord>;
}

export function snapshotOf(records: readonly KeyRecord[], readAtMs: number): Snapshot {
  return { readAtMs, byHash: new Map(records.map((record) => [record.hash, record])) };
}

/**
 * Whose the key is. It is looked up by its hash, and no secret is compared with anything: how long that takes may tell how much
 * of a kept hash the hash of what was sent has in common with, and from a part of a hash nobody finds the key behind it.
 */
export function identify(text: string, snapshot: Snapshot | undefined, nowMs: number): Identity {
  if (!snapshot) return { kind: "unready" };
  if (!parseApiKey(text)) return { kind: "refused", reason: "malformed" };
  const record = snapshot.byHash.get(hashOf(text));
  if (!record) return { kind: "refused", reason: "unknown" };
  if (record.revoked) return { kind: "refused", reason: "revoked" };
  if (nowMs - snapshot.readAtMs >= record.expiresInMs)
    return { kind: "refused", reason: "expired" };
  const { keyId, userId, role } = record;
  return { kind: "known", principal: { keyId, userId, role } };
}

export function countValid({ byHash, readAtMs }: Snapshot, nowMs: number): number {
  let count = 0;
  for (const { revoked, expiresInMs } of byHash.values()) {
    if (!revoked && nowMs - readAtMs < expiresInMs) count++;
  }
  return count;
}
