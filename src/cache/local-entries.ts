import { BYTES_MAX, ENTRIES_MAX } from "./options.ts";
import type { Place } from "./place.ts";

interface LocalEntry {
  readonly scope: string;
  readonly text: string;
  readonly token: string;
  readonly sizeBytes: number;
  readonly expiresMs: number;
}

/** Entries in this process's memory, bounded in number and size: the one that was not asked for longest goes first. */
export class LocalEntries {
  /** In the order of their last use. */
  readonly #entries = new Map<string, LocalEntry>();
  #sizeBytes = 0;

  get count(): number {
    return this.#entries.size;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get(place: Place, nowMs: number): LocalEntry | undefined {
    const entry = this.#entries.get(place.entry);
    if (!entry) return undefined;
    this.#remove(place.entry, entry);
    if (entry.expiresMs <= nowMs) return undefined;
    this.#add(place.entry, entry);
    return entry;
  }

  set(place: Place, kept: Pick<LocalEntry, "text" | "token" | "expiresMs">): void {
    const { entry: key, scope } = place;
    const before = this.#entries.get(key);
    if (before) this.#remove(key, before);
    const sizeBytes = Buffer.byteLength(kept.text);
    this.#add(key, { ...kept, scope, sizeBytes });
    for (const [oldest, entry] of this.#entries) {
      if (this.#entries.size <= ENTRIES_MAX && this.#sizeBytes <= BYTES_MAX) break;
      this.#remove(oldest, entry);
    }
  }

  drop(scope: string): void {
    for (const [key, entry] of this.#entries) if (entry.scope === scope) this.#remove(key, entry);
  }

  clear(): void {
    this.#entries.clear();
    this.#sizeBytes = 0;
  }

  #add(key: string, entry: LocalEntry): void {
    this.#entries.set(key, entry);
    this.#sizeBytes += entry.sizeBytes;
  }

  #remove(key: string, entry: LocalEntry): void {
    this.#entries.delete(key);
    this.#sizeBytes -= entry.sizeBytes;
  }
}
