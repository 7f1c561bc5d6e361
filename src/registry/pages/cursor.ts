import { createHash } from "node:crypto";
import { CatalogError } from "../../core/catalog.ts";
import { storable } from "../storable.ts";

/** A part of a sort key, as text. Whatever passes its test is safe to hand to Postgres. */
export const KEY_PARTS = {
  text: (part: string) => storable(part) === part,
  uuid: (part: string) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(part),
  /** Since 1970, of the years that people live in. */
  microseconds: (part: string) => /^(0|[1-9]\d{0,16})$/.test(part),
} as const satisfies Record<string, (part: string) => boolean>;

export interface CursorSpec {
  readonly list: string;
  readonly filter: object;
  readonly key: readonly (keyof typeof KEY_PARTS)[];
}

const CURSOR_LENGTH_MAX = 4_096;
const CHECK_LENGTH = 12;

/** Where a page ended: opaque to clients, good for this list with this filter. */
export function encodeCursor(spec: CursorSpec, key: readonly string[]): string {
  return Buffer.from(JSON.stringify([checkOf(spec, key), ...key])).toString("base64url");
}

/**
 * The sort key. The check tells a damaged cursor, and one of another list or filter, from a good one; it is no signature, since
 * whoever makes one up only chooses another place to start reading from.
 */
export function decodeCursor(spec: CursorSpec, cursor: string): readonly string[] {
  const [check, ...key] = partsOf(cursor);
  const isKey =
    key.length === spec.key.length &&
    spec.key.every((kind, index) => KEY_PARTS[kind](key[index] ?? ""));
  // One key, one cursor: base64url leaves room for others that decode to the same.
  if (!isKey || check !== checkOf(spec, key) || encodeCursor(spec, key) !== cursor) {
    throw new CatalogError(
      "CURSOR_INVALID",
      "the cursor is not one of this list with these filters: begin again without it",
    );
  }
  return key;
}

function partsOf(cursor: string): readonly string[] {
  if (cursor.length > CURSOR_LENGTH_MAX) return [];
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString());
    return Array.isArray(parts) && parts.every((part) => typeof part === "string") ? parts : [];
  } catch {
    return [];
  }
}

function checkOf({ list, filter }: CursorSpec, key: readonly string[]): string {
  const given = Object.entries(filter).filter(([, value]) => value !== undefined);
  const text = JSON.stringify([list, given.sort(([a], [b]) => (a < b ? -1 : 1)), key]);
  return createHash("sha256").update(text).digest("base64url").slice(0, CHECK_LENGTH);
}
