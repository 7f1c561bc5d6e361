import type { Waiting } from "./ports.ts";

export const ROLES = ["admin", "operator", "user", "readonly"] as const;
export type Role = (typeof ROLES)[number];

export const PERMISSIONS = [
  "models.read",
  "models.use",
  "models.manage",
  "cluster.read",
  "cluster.manage",
  "history.read",
  "audit.read",
  "keys.manage",
] as const;
export type Permission = (typeof PERMISSIONS)[number];

/** Who calls, as the key tells that came with the request. */
export interface Principal {
  readonly userId: string;
  readonly keyId: string;
  readonly role: Role;
}

export type Identity =
  | { readonly kind: "known"; readonly principal: Principal }
  | {
      readonly kind: "refused";
      readonly reason: "malformed" | "unknown" | "revoked" | "expired";
    }
  /** No keys were read yet: nobody can be told from anybody. */
  | { readonly kind: "unready" };

/** Says whose a key is and who may do what. Owner: auth. Never waits. */
export interface Authority {
  identify(key: string): Identity;
  may(role: Role, permission: Permission): boolean;
}

/** Keys that are valid at once at most: what every node reads every two seconds, about 150 bytes a key. */
export const KEYS_MAX = 10_000;

/** A key as it is kept: nothing in it can be used to call. */
export interface KeyRecord {
  readonly keyId: string;
  readonly userId: string;
  readonly role: Role;
  /** SHA-256 of the key's text, in hex. */
  readonly hash: string;
  readonly revoked: boolean;
  /** From the moment it was read; 0: it has expired; Infinity: it never does. */
  readonly expiresInMs: number;
}

/** Where keys are kept. Owner: registry. */
export interface KeySource {
  /** Up to KEYS_MAX, the valid ones first. */
  keys(o: Waiting): Promise<readonly KeyRecord[]>;
  /** Notes that these keys were used just now. */
  markUsed(keyIds: readonly string[], o: Waiting): Promise<void>;
}
