import { open, readdir, rm, stat } from "node:fs/promises";
import path from "node:path";
import { type BlobDigest, formatDigest } from "../core/digest.ts";
import type { BlobStore, PartialBlob, Waiting } from "../core/ports.ts";
import { BlobError, systemCode } from "./errors.ts";
import { blobPath, isOurPartial, isPieceFile, type Layout } from "./layout.ts";
import { PartialBlobFile } from "./partial-blob.ts";
import { type DamagedBlobs, versionOf } from "./whole-model.ts";

/** Peer streams want at least so much at a time. */
const READ_BYTES = 1024 * 1024;

/** The blobs of a models folder. It removes nothing. */
export class BlobFolder implements BlobStore {
  readonly #layout: Layout;
  readonly #damaged: DamagedBlobs;

  constructor(layout: Layout, damaged: DamagedBlobs = new Map()) {
    this.#layout = layout;
    this.#damaged = damaged;
  }

  /** A blob that is known to be damaged is as good as none: whoever has a sound one may bring it. */
  async stat(digest: BlobDigest): Promise<{ readonly sizeBytes: number } | undefined> {
    const path = blobPath(this.#layout, digest);
    try {
      const damaged = this.#damaged.get(digest);
      if (damaged !== undefined && damaged === (await versionOf(path))) return undefined;
      const stats = await stat(path);
      return stats.isFile() ? { sizeBytes: stats.size } : undefined;
    } catch (error) {
      if (systemCode(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  /** The bytes from `start` up to, not including, `end`. Each chunk is the reader's to keep, in memory that `memory` gives. */
  async *read(
    digest: BlobDigest,
    { start, end }: { readonly start: number; readonly end: number },
    { signal, memory = Buffer.allocUnsafe }: Parameters<BlobStore["read"]>[2],
  ): AsyncIterable<Uint8Array> {
    const found = await this.stat(digest);
    if (!found) {
      throw new BlobError("BLOB_NOT_FOUND", `blob "${formatDigest(digest)}" not found`);
    }
    const whole = Number.isSafeInteger(start) && Number.isSafeInteger(end);
    if (!whole || start < 0 || start > end || end > found.sizeBytes) {
      throw new BlobError(
        "RANGE_INVALID",
        `bytes ${start} to ${end} of a blob of ${found.sizeBytes} bytes`,
      );
    }
    const handle = await open(blobPath(this.#layout, digest), "r");
    try {
      for (let position = start; position < end; ) {
        signal.throwIfAborted();
        const wanted = Math.min(READ_BYTES, end - position);
        const { bytesRead, buffer } = await handle.read(memory(wanted), 0, wanted, position);
        if (bytesRead === 0) {
          throw new BlobError("BLOB_CHANGED", `blob "${formatDigest(digest)}" became shorter`);
        }
        position += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await handle.close();
    }
  }

  create(o: Waiting & { readonly expected?: BlobDigest }): Promise<PartialBlob> {
    o.signal.throwIfAborted();
    return PartialBlobFile.open(this.#layout, this, o.expected);
  }
}

/** As long as Ollama's collector waits. An import that still runs has written more recently. */
const ABANDONED_AFTER_MS = 60 * 60 * 1000;
/** What came of a large blob is worth keeping until somebody asks for it again. */
const PIECES_ABANDONED_AFTER_MS = 7 * 24 * 60 * 60 * 1000;

/** Removes what our own killed imports and transfers left, and only that; returns how many files went. */
export async function removeAbandoned(layout: Layout, wallMs: number): Promise<number> {
  let removed = 0;
  for (const dir of [layout.blobsDir, layout.manifestsDir]) {
    for (const name of await readdir(dir)) {
      const keptMs = keptForMs(name);
      if (keptMs === undefined) continue;
      const file = path.join(dir, name);
      const { mtimeMs } = await stat(file);
      if (wallMs - mtimeMs < keptMs) continue;
      await rm(file, { force: true });
      removed++;
    }
  }
  return removed;
}

/** Undefined: it is not ours. */
function keptForMs(name: string): number | undefined {
  if (isOurPartial(name)) return ABANDONED_AFTER_MS;
  return isPieceFile(name) ? PIECES_ABANDONED_AFTER_MS : undefined;
}
