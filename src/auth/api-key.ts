import { createHash, randomBytes } from "node:crypto";

/** A key when it is made: the only moment at which its text is known to us. */
export interface FreshKey {
  readonly text: string;
  /** Tells people which key it is, and opens nothing. */
  readonly prefix: string;
  readonly hash: string;
}

const PREFIX_BYTES = 8;
const SECRET_BYTES = 32;
/** `omx_`, the prefix in hex, `_`, the secret in base64url: secret scanners find it, a double click selects it. */
const FORM = /^omx_([0-9a-f]{16})_[A-Za-z0-9_-]{43}$/;

export function makeApiKey(): FreshKey {
  const prefix = randomBytes(PREFIX_BYTES).toString("hex");
  const text = `omx_${prefix}_${randomBytes(SECRET_BYTES).toString("base64url")}`;
  return { text, prefix, hash: hashOf(text) };
}

/** The key's prefix; undefined when the text has not the form of a key. */
export function parseApiKey(text: string): { readonly prefix: string } | undefined {
  const prefix = FORM.exec(text)?.[1];
  return prefix === undefined ? undefined : { prefix };
}

/**
 * What is kept of a key. One round of SHA-256 is enough: a slow hash protects passwords, which people choose and dictionaries
 * hold; nobody tries 2^256 secrets of the system's random source, however fast each try is (NIST SP 800-63B, 5.1.2.2: look-up
 * secrets of 112 bits and more). And this stands on the path of every request.
 */
export function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
