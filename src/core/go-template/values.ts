/** What templates handle: what JSON can say. Objects are Go's maps and structs; nil is null. */
export type GoValue =
  | null
  | string
  | number
  | boolean
  | readonly GoValue[]
  | { readonly [key: string]: GoValue };

/** text/template, "truth": false are nil, zero, and what is empty. */
export function isTrue(value: GoValue): boolean {
  if (value === null || typeof value !== "object") return Boolean(value);
  return Array.isArray(value) ? value.length > 0 : Object.keys(value).length > 0;
}

/**
 * As fmt prints it; objects, and lists of anything but plain values, in JSON, as the types print themselves that Ollama hands
 * to templates (tools, arguments).
 */
export function shown(value: GoValue): string {
  if (value === null) return "<no value>";
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value) && value.every((item) => item === null || typeof item !== "object")) {
    return `[${value.map(shown).join(" ")}]`;
  }
  return goJson(value);
}

const ESCAPED = /[<>&\u2028\u2029]/g;

/** As Go's encoding/json, which escapes what HTML would read. */
export function goJson(value: GoValue): string {
  return JSON.stringify(value).replace(
    ESCAPED,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** The object as a struct that has these fields too, with Go's zero values: to ask for, never to list or print. */
export function withZeros(
  value: { readonly [key: string]: GoValue },
  zeros: { readonly [name: string]: GoValue },
): GoValue {
  const struct: { readonly [key: string]: GoValue } = Object.create(zeros);
  return Object.defineProperties(struct, Object.getOwnPropertyDescriptors(value));
}

/**
 * A field. Ollama's types have Go's names for what is lower case in JSON, so case does not count; a field that is not there is
 * nil, where Go would refuse one of a struct.
 */
export function fieldOf(value: GoValue, name: string): GoValue | undefined {
  if (value === null) return null;
  if (!isObject(value)) return undefined;
  if (Object.hasOwn(value, name)) return value[name] ?? null;
  const wanted = name.toLowerCase();
  const key = Object.keys(value).find(
    (known) => known.replaceAll("_", "").toLowerCase() === wanted,
  );
  if (key !== undefined) return value[key] ?? null;
  const zeros: unknown = Object.getPrototypeOf(value);
  if (typeof zeros !== "object" || zeros === null || zeros === Object.prototype) return null;
  return Object.hasOwn(zeros, name) ? (value[name] ?? null) : null;
}

export function isList(value: GoValue): value is readonly GoValue[] {
  return Array.isArray(value);
}

export function isObject(value: GoValue): value is { readonly [key: string]: GoValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
