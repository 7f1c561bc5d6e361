import { readFile } from "node:fs/promises";
import path from "node:path";
import { ClassicLevel } from "classic-level";
import type { LegacyModel } from "../core/legacy-model.ts";
import type { Waiting } from "../core/ports.ts";
import { corrupt, toStoreError } from "./errors.ts";
import { parseObjectMetadata, type SkipReason } from "./object-metadata.ts";
import { Snapshot } from "./snapshot.ts";

export interface Skipped {
  /** In the old store; "base64:…" when it is not text. */
  readonly key: string;
  readonly reason: SkipReason;
  readonly detail: string;
}

export interface LegacyBatch {
  readonly models: readonly LegacyModel[];
  readonly skipped: readonly Skipped[];
  /** Keys and values together. */
  readonly sizeBytes: number;
}

export interface StoreSize {
  readonly entries: number;
  readonly sizeBytes: number;
}

const BATCH_ENTRIES_MAX = 500;
/** The last entry of a batch may go beyond it. */
const BATCH_BYTES_MAX = 4 * 1024 * 1024;

/**
 * The model store that OllamaMax had before its registry: a LevelDB whose values are ObjectMetadata in JSON. It is read from
 * a copy and stays as it is; entries come in the order of their keys, as many at a time as fit into a batch.
 */
export class LegacyStore implements AsyncDisposable {
  readonly #folder: string;
  readonly #snapshot: Snapshot;
  readonly #db: ClassicLevel<Buffer, Buffer>;

  private constructor(folder: string, snapshot: Snapshot, db: ClassicLevel<Buffer, Buffer>) {
    this.#folder = folder;
    this.#snapshot = snapshot;
    this.#db = db;
  }

  /** Rejects with a LegacyStoreError. */
  static async open(options: { readonly folder: string }, o: Waiting): Promise<LegacyStore> {
    const { folder } = options;
    await using stack = new AsyncDisposableStack();
    const snapshot = stack.use(await Snapshot.take(folder, o));
    const db = new ClassicLevel<Buffer, Buffer>(snapshot.folder, {
      createIfMissing: false,
      keyEncoding: "buffer",
      valueEncoding: "buffer",
    });
    try {
      await db.open();
    } catch (error) {
      throw toStoreError(folder, snapshot.folder, error);
    }
    stack.defer(() => db.close());
    const dropped = await droppedByLevel(snapshot.folder);
    if (dropped) throw corrupt(folder, dropped);
    stack.move();
    return new LegacyStore(folder, snapshot, db);
  }

  /** Reads everything once: a store that is damaged anywhere is refused before anybody acts on a part of it. */
  async size(o: Waiting): Promise<StoreSize> {
    let entries = 0;
    let sizeBytes = 0;
    for await (const rows of this.#rows(o)) {
      entries += rows.length;
      sizeBytes += sizeOf(rows);
    }
    return { entries, sizeBytes };
  }

  /** Of entries with one name, in any case of letters, the first is taken. */
  async *batches(o: Waiting): AsyncIterable<LegacyBatch> {
    const { scratch } = this.#snapshot;
    for await (const rows of this.#rows(o)) {
      const found: LegacyModel[] = [];
      const skipped: Skipped[] = [];
      for (const [keyBytes, value] of rows) {
        const key = keyText(keyBytes);
        const parsed = parseObjectMetadata(key, value);
        if (parsed.ok) found.push(parsed.model);
        else skipped.push({ key, reason: parsed.reason, detail: parsed.detail });
      }
      // Which key has a name is kept on disk, so that memory does not grow with the store.
      const index = found.map(({ name }) => name.toLowerCase());
      const known = await scratch.getMany(index);
      const taken = new Map<string, string>();
      const models = found.filter((model, at) => {
        const name = index[at] ?? "";
        const holder = known[at] ?? taken.get(name) ?? model.key;
        taken.set(name, holder);
        if (holder === model.key) return true;
        const detail = `${model.name} is the name of the entry ${JSON.stringify(holder)} too`;
        skipped.push({ key: model.key, reason: "DUPLICATE_NAME", detail });
        return false;
      });
      await scratch.batch([...taken].map(([key, value]) => ({ type: "put", key, value })));
      yield { models, skipped, sizeBytes: sizeOf(rows) };
    }
  }

  async *#rows(o: Waiting): AsyncIterable<[Buffer, Buffer][]> {
    await using iterator = this.#db.iterator({ highWaterMarkBytes: BATCH_BYTES_MAX });
    for (;;) {
      o.signal.throwIfAborted();
      const rows = await this.#read(() => iterator.nextv(BATCH_ENTRIES_MAX));
      if (rows.length === 0) return;
      yield rows;
    }
  }

  async #read<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      throw toStoreError(this.#folder, this.#snapshot.folder, error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#db.close();
    await this.#snapshot[Symbol.asyncDispose]();
  }
}

/** LevelDB opens a log with wrong checksums, leaves out what they stand for, and says so only in its own LOG. */
async function droppedByLevel(folder: string): Promise<string | undefined> {
  const log = await readFile(path.join(folder, "LOG"), "utf8");
  const [, found] = /(\d+\.log: dropping \d+ bytes; [^\n]+)/.exec(log) ?? [];
  return found;
}

function sizeOf(rows: readonly [Buffer, Buffer][]): number {
  return rows.reduce((sum, [key, value]) => sum + key.byteLength + value.byteLength, 0);
}

function keyText(key: Buffer): string {
  const text = key.toString("utf8");
  return Buffer.from(text, "utf8").equals(key) ? text : `base64:${key.toString("base64")}`;
}
