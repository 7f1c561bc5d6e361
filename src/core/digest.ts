import { createHash } from "node:crypto";

/** SHA-256 of a blob, 64 lower-case hex digits. */
export type BlobDigest = string & { readonly brand: "BlobDigest" };
/** SHA-256 of a manifest's bytes, 64 lower-case hex digits: what a request names a model by, since a tag may move. */
export type ManifestDigest = string & { readonly brand: "ManifestDigest" };

const HEX = /^[0-9a-f]{64}$/;
const PREFIXED = /^sha256[:-]([0-9a-fA-F]{64})$/;

/** Reads `sha256:…`, `sha256-…` (as in file names) or the bare hex digits; undefined if it is none of them. */
export function parseBlobDigest(text: string): BlobDigest | undefined {
  const hex = PREFIXED.exec(text)?.[1]?.toLowerCase() ?? text;
  return HEX.test(hex) ? (hex as BlobDigest) : undefined;
}

export function parseManifestDigest(text: string): ManifestDigest | undefined {
  const hex = PREFIXED.exec(text)?.[1]?.toLowerCase() ?? text;
  return HEX.test(hex) ? (hex as ManifestDigest) : undefined;
}

/** As manifests and clients write it: `sha256:<hex>`. */
export function formatDigest(digest: BlobDigest | ManifestDigest): string {
  return `sha256:${digest}`;
}

/** The digest of a manifest as it lies on disk. */
export function manifestDigestOf(bytes: Uint8Array): ManifestDigest {
  return createHash("sha256").update(bytes).digest("hex") as ManifestDigest;
}
