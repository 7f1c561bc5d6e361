import { randomBytes } from "node:crypto";
import type { Clock } from "../core/clock.ts";
import type { NodeId } from "../core/node-id.ts";
import type { PeerProtocol } from "../core/ports.ts";

/** Who may make one link, and for what. */
export interface LinkGrant {
  readonly peer: NodeId;
  readonly protocol: PeerProtocol;
}

export interface LinkKey {
  readonly identity: string;
  readonly key: Uint8Array;
}

const IDENTITY_BYTES = 16;
const KEY_BYTES = 32;
const LIFETIME_MS = 10_000;
const KEYS_MAX = 1_024;

/** The keys that were handed out over the mesh: each for one handshake of one peer, soon. */
export class LinkKeys {
  readonly #clock: Pick<Clock, "nowMs">;
  /** Oldest first. */
  readonly #issued = new Map<string, LinkGrant & { key: Uint8Array; expiresMs: number }>();

  constructor(clock: Pick<Clock, "nowMs">) {
    this.#clock = clock;
  }

  /** Undefined while too many are out. */
  issue(grant: LinkGrant): LinkKey | undefined {
    this.#forgetExpired();
    if (this.#issued.size >= KEYS_MAX) return undefined;
    const identity = randomBytes(IDENTITY_BYTES).toString("hex");
    const key = randomBytes(KEY_BYTES);
    this.#issued.set(identity, { ...grant, key, expiresMs: this.#clock.nowMs() + LIFETIME_MS });
    return { identity, key };
  }

  /** Once only. */
  take(identity: string): (LinkGrant & { readonly key: Uint8Array }) | undefined {
    this.#forgetExpired();
    const grant = this.#issued.get(identity);
    this.#issued.delete(identity);
    return grant;
  }

  #forgetExpired(): void {
    const nowMs = this.#clock.nowMs();
    for (const [identity, { expiresMs }] of this.#issued) {
      if (expiresMs > nowMs) return;
      this.#issued.delete(identity);
    }
  }
}
