import { rm } from "node:fs/promises";
import type { Clock } from "../core/clock.ts";
import { type BlobDigest, formatDigest } from "../core/digest.ts";
import type { BlobId, BlobPieces, PieceStore } from "../core/pieces.ts";
import type { Waiting } from "../core/ports.ts";
import { expectSpace } from "./disk-space.ts";
import { BlobError, writeFailure } from "./errors.ts";
import { type Layout, pieceFiles } from "./layout.ts";
import { PieceFile } from "./piece-file.ts";
import { type OpenPieces, openFiles, removeFiles } from "./piece-files.ts";
import { takeLock } from "./piece-lock.ts";

/** A disk that is full to the last byte helps nobody. */
const SPARE_BYTES = 16 * 1024 * 1024;
const BLOB_BYTES_MAX = 2 ** 44;

/** The blobs that arrive in pieces in a models folder. */
export class PieceFolder implements PieceStore {
  readonly #layout: Layout;
  readonly #clock: Pick<Clock, "wallMs">;
  readonly #files = new Map<BlobDigest, PieceFile | "opening">();

  constructor(layout: Layout, deps: { readonly clock: Pick<Clock, "wallMs"> }) {
    this.#layout = layout;
    this.#clock = deps.clock;
  }

  piecesOf(digest: BlobDigest): BlobPieces | undefined {
    const file = this.#files.get(digest);
    return file === "opening" ? undefined : file;
  }

  async openPieces(blob: BlobId, { signal }: Waiting): Promise<BlobPieces> {
    signal.throwIfAborted();
    const { digest, sizeBytes } = blob;
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0 || sizeBytes > BLOB_BYTES_MAX) {
      throw new BlobError("RANGE_INVALID", `no blob has ${sizeBytes} bytes`);
    }
    if (this.#files.has(digest)) throw busy(digest);
    this.#files.set(digest, "opening");
    try {
      const file = await this.#open(blob);
      this.#files.set(digest, file);
      return file;
    } catch (error) {
      this.#files.delete(digest);
      throw writeFailure(error, this.#layout.dir);
    }
  }

  async #open(blob: BlobId): Promise<PieceFile> {
    const files = pieceFiles(this.#layout, blob.digest);
    if (!(await takeLock(files, this.#clock))) throw busy(blob.digest);
    let opened: OpenPieces | undefined;
    try {
      opened = await openFiles(files, blob);
      const onClosed = (): unknown => this.#files.delete(blob.digest);
      const file = new PieceFile(blob, this.#layout, opened, onClosed);
      const missingBytes = blob.sizeBytes - file.doneBytes;
      if (missingBytes > 0) {
        await expectSpace(this.#layout.blobsDir, missingBytes + SPARE_BYTES, "The blob");
      }
      return file;
    } catch (error) {
      await opened?.data.close();
      await opened?.record.close();
      if (!opened?.pieces.size) await removeFiles(files);
      await rm(files.lock, { force: true });
      throw error;
    }
  }
}

function busy(digest: BlobDigest): BlobError {
  return new BlobError(
    "BLOB_BUSY",
    `blob "${formatDigest(digest)}" is being written already: wait until that is done`,
  );
}
