import { createHash } from "node:crypto";
import type { CacheKey, CacheKind } from "../core/cache.ts";

/** Where a value is kept: names of a few dozen characters, whatever the caller's key holds. */
export interface Place {
  readonly kind: string;
  readonly scope: string;
  readonly entry: string;
}

export function scopeOf(kind: Pick<CacheKind<unknown>, "name">, scope: string): string {
  return `${kind.name}:${digestOf(scope)}`;
}

export function placeOf(kind: Pick<CacheKind<unknown>, "name">, key: CacheKey): Place {
  const scope = scopeOf(kind, key.scope);
  return { kind: kind.name, scope, entry: `${scope}:${digestOf(key.id)}` };
}

/** 128 bits of SHA-256: no two keys share one, and nobody can choose two that do. */
function digestOf(text: string): string {
  return createHash("sha256").update(text).digest().subarray(0, 16).toString("base64url");
}
