/** A key's last use is written once in this time at most. */
export const USE_INTERVAL_MS = 60_000;

/** Which keys were used and are not written down. Holds no more keys than it is told are there. */
export class KeyUses {
  readonly #waiting = new Set<string>();
  readonly #writtenAtMs = new Map<string, number>();

  used(keyId: string, nowMs: number): void {
    const writtenAtMs = this.#writtenAtMs.get(keyId);
    if (writtenAtMs !== undefined && nowMs - writtenAtMs < USE_INTERVAL_MS) return;
    this.#waiting.add(keyId);
  }

  /** What is to be written now. */
  waiting(): readonly string[] {
    return [...this.#waiting];
  }

  written(keyIds: readonly string[], nowMs: number): void {
    for (const keyId of keyIds) {
      this.#waiting.delete(keyId);
      this.#writtenAtMs.set(keyId, nowMs);
    }
  }

  /** Forgets the keys that are not among these. */
  keepOnly(keyIds: ReadonlySet<string>): void {
    for (const keyId of this.#waiting) if (!keyIds.has(keyId)) this.#waiting.delete(keyId);
    for (const keyId of this.#writtenAtMs.keys()) {
      if (!keyIds.has(keyId)) this.#writtenAtMs.delete(keyId);
    }
  }
}
