import { constants } from "node:fs";
import { access, copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { ClassicLevel } from "classic-level";
import type { Waiting } from "../core/ports.ts";
import { corrupt, LegacyStoreError } from "./errors.ts";
import { lockHolder } from "./in-use.ts";
import { endsTorn } from "./log-file.ts";

/** What a store consists of. Its LOCK and its LOG, which LevelDB writes for people, stay where they are. */
const STORE_FILE = /^(CURRENT|MANIFEST-\d+|\d+\.(ldb|sst|log))$/;
const LOG_FILE = /^\d+\.log$/;

/**
 * A copy of the store under the folder for temporary files: whoever opens LevelDB writes to it, rewrites its log into tables
 * and removes what it thinks is superfluous, and the old store is to stay as it is. While the copy lives, the old store's own
 * lock is held (LevelDB opens LOCK without changing it), so that no program writes to the store meanwhile.
 */
export class Snapshot implements AsyncDisposable {
  readonly folder: string;
  /** An empty LevelDB to keep an index in. */
  readonly scratch: ClassicLevel;
  readonly #parent: string;

  private constructor(parent: string, scratch: ClassicLevel) {
    this.#parent = parent;
    this.folder = path.join(parent, "store");
    this.scratch = scratch;
  }

  static async take(store: string, o: Waiting): Promise<Snapshot> {
    const names = await storeFiles(store);
    const parent = await mkdtemp(path.join(tmpdir(), "ollamamax-import-"));
    try {
      const scratch = await lockStore(store, path.join(parent, "scratch"));
      const snapshot = new Snapshot(parent, scratch);
      try {
        await mkdir(snapshot.folder);
        for (const name of names) await copy(store, snapshot.folder, name, o);
      } catch (error) {
        await scratch.close();
        throw error;
      }
      return snapshot;
    } catch (error) {
      await rm(parent, { recursive: true, force: true });
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.scratch.close();
    await rm(this.#parent, { recursive: true, force: true });
  }
}

async function storeFiles(store: string): Promise<string[]> {
  try {
    const names = (await readdir(store)).filter((name) => STORE_FILE.test(name));
    if (names.includes("CURRENT")) return names;
  } catch (error) {
    throw toFileError(store, error);
  }
  throw new LegacyStoreError(
    "NOT_A_STORE",
    `${store} is not a LevelDB store (it has no file CURRENT): name the folder that holds one`,
  );
}

/** The empty LevelDB whose LOCK is the store's. */
async function lockStore(store: string, folder: string): Promise<ClassicLevel> {
  const lock = path.join(store, "LOCK");
  await mkdir(folder);
  // Who may not write there cannot take the lock; /proc/locks is asked in any case.
  const lockable = await access(lock, constants.W_OK).then(
    () => true,
    () => false,
  );
  const holder = await lockHolder(lock).catch(() => undefined);
  if (holder !== undefined) throw inUse(store, ` by process ${holder}`);
  if (lockable) await symlink(path.resolve(lock), path.join(folder, "LOCK"));
  const scratch = new ClassicLevel(folder);
  try {
    await scratch.open();
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    if (cause instanceof Error && "code" in cause && cause.code === "LEVEL_LOCKED") {
      throw inUse(store, "");
    }
    throw error;
  }
  return scratch;
}

function inUse(store: string, by: string): LegacyStoreError {
  return new LegacyStoreError(
    "STORE_IN_USE",
    `the store in ${store} is open elsewhere${by}: stop the old program first`,
  );
}

async function copy(store: string, folder: string, name: string, o: Waiting): Promise<void> {
  o.signal.throwIfAborted();
  const target = path.join(folder, name);
  try {
    // Where the file system can, a copy costs no room until one of the two is changed.
    await copyFile(path.join(store, name), target, constants.COPYFILE_FICLONE);
  } catch (error) {
    throw toFileError(store, error);
  }
  if (LOG_FILE.test(name) && endsTorn(await readFile(target))) {
    throw corrupt(store, `${name} ends in the middle of a record`);
  }
}

function toFileError(store: string, error: unknown): unknown {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const say = (kind: LegacyStoreError["code"], text: string): LegacyStoreError =>
    new LegacyStoreError(kind, text, { cause: error });
  switch (code) {
    case "ENOENT":
    case "ENAMETOOLONG":
    case "ELOOP":
      return say("STORE_MISSING", `there is no folder ${store}: name the old store's folder`);
    case "ENOTDIR":
      return say("NOT_A_STORE", `${store} is a file: name the folder of a LevelDB store`);
    case "EACCES":
    case "EPERM":
    case "EIO":
      return say(
        "STORE_UNREADABLE",
        `cannot read the store in ${store} (${code}): run this as a user who can`,
      );
    case "ENOSPC":
    case "EDQUOT":
      return say(
        "NO_ROOM",
        `no room for a copy of the store in ${tmpdir()} (${code}): set TMPDIR to a folder with room`,
      );
    default:
      return error;
  }
}
