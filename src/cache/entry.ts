import type { CacheKind } from "../core/cache.ts";

/** How a value is kept, in memory as in Redis. The token tells which state of its scope it was made from. */
export function entryText(version: number, token: string, value: unknown): string {
  return JSON.stringify({ version, token, value });
}

/** Undefined when the text is no entry, or one of another version, another token, or another shape. */
export function valueIn<T>(kind: CacheKind<T>, token: string, text: string): T | undefined {
  const entry = parsed(text);
  if (entry?.["version"] !== kind.version || entry["token"] !== token) return undefined;
  return kind.parse(entry["value"]);
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === "object" && json !== null ? { ...json } : undefined;
  } catch {
    return undefined;
  }
}
