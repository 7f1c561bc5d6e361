import { type FSWatcher, watch } from "node:fs";

const FOLDERS_MAX = 2_000;

/**
 * Tells when something in one of the folders changes. It is a hint and no promise: network file systems tell nothing, and
 * the system's watches may be used up. So its owner looks by itself now and then, too.
 */
export class FolderWatch implements Disposable {
  readonly #onHint: () => void;
  readonly #watchers = new Map<string, FSWatcher>();

  constructor(onHint: () => void) {
    this.#onHint = onHint;
  }

  /** Watches these and no others; true when one is new, and so may have changed before it was watched. */
  watch(folders: ReadonlyMap<string, "every change" | "names only">): boolean {
    for (const folder of this.#watchers.keys()) {
      if (!folders.has(folder)) this.#drop(folder);
    }
    let added = false;
    for (const [folder, what] of folders) {
      if (this.#watchers.has(folder) || this.#watchers.size >= FOLDERS_MAX) continue;
      added = this.#add(folder, what === "names only") || added;
    }
    return added;
  }

  #add(folder: string, namesOnly: boolean): boolean {
    try {
      const watcher = watch(folder, (event) => {
        if (event === "rename" || !namesOnly) this.#onHint();
      });
      watcher.on("error", () => this.#drop(folder));
      this.#watchers.set(folder, watcher);
      return true;
    } catch {
      return false; // Gone by now, or no watches left: the owner's own looks must do.
    }
  }

  #drop(folder: string): void {
    this.#watchers.get(folder)?.close();
    this.#watchers.delete(folder);
  }

  [Symbol.dispose](): void {
    for (const folder of this.#watchers.keys()) this.#drop(folder);
  }
}
