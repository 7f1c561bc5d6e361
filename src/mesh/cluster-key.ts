import { hkdfSync, randomBytes } from "node:crypto";
import { MeshError } from "./errors.ts";

const CLUSTER_KEY_BYTES = 32;
const KEY_ID_BYTES = 8;

export function newClusterKey(): Uint8Array {
  return randomBytes(CLUSTER_KEY_BYTES);
}

/** 32 bytes in base64url, without padding. */
export function formatClusterKey(key: Uint8Array): string {
  return Buffer.from(key).toString("base64url");
}

export function parseClusterKey(text: string): Uint8Array {
  const key = Buffer.from(text, "base64url");
  // Node skips characters that are no base64url: what does not come back the same was not a key.
  if (key.length !== CLUSTER_KEY_BYTES || formatClusterKey(key) !== text) {
    throw new MeshError(
      "CLUSTER_KEY_INVALID",
      `a cluster key is ${CLUSTER_KEY_BYTES} random bytes in base64url (43 characters, no padding), such as the registry keeps: check OLLAMA_CLUSTER_KEY`,
    );
  }
  return key;
}

/** Tells keys apart in protocol names and logs; says nothing about the key. */
export function clusterKeyId(key: Uint8Array): string {
  return derive(key, "ollamamax/key-id/1", KEY_ID_BYTES).toString("hex");
}

/** What both ends of a noise handshake must know beforehand. */
export function noisePrologue(key: Uint8Array): Uint8Array {
  return derive(key, "ollamamax/noise-prologue/1", CLUSTER_KEY_BYTES);
}

/** HKDF-SHA256 (RFC 5869) with no salt: the key is uniformly random already. */
function derive(key: Uint8Array, purpose: string, lengthBytes: number): Buffer {
  return Buffer.from(hkdfSync("sha256", key, "", purpose, lengthBytes));
}
