import { type BlobDigest, formatDigest } from "../core/digest.ts";
import { AppError } from "../core/errors.ts";
import { ManagementError } from "../core/management.ts";
import type { BlobId, BlobPieces, PieceStore } from "../core/pieces.ts";
import type { BlobStore, Waiting } from "../core/ports.ts";
import { Download } from "./download.ts";
import { followProgress } from "./follow-progress.ts";
import type { Repository } from "./repository.ts";
import type { TryDeps } from "./tries.ts";

export interface DownloadsDeps extends TryDeps {
  readonly blobs: Pick<BlobStore, "stat">;
  readonly pieces: PieceStore;
}

/** How often a blob that another part of the daemon writes is looked at. */
const BUSY_MS = 250;

/** Blobs on their way into the store: everybody who wants the same one waits for the same download. */
export class Downloads {
  readonly #deps: DownloadsDeps;
  readonly #running = new Map<BlobDigest, SharedDownload>();

  constructor(deps: DownloadsDeps) {
    this.#deps = deps;
  }

  /** How many bytes are there, whenever that changes, until the blob is in the store. */
  async *fetch(repository: Repository, blob: BlobId, o: Waiting): AsyncIterable<number> {
    for (;;) {
      const running = this.#running.get(blob.digest);
      const download = running ?? this.#begin(repository, blob);
      try {
        return yield* download.follow(o);
      } catch (error) {
        o.signal.throwIfAborted();
        // What somebody else's registry could not give, ours may.
        if (!running || running.isFrom(repository, blob)) throw error;
      }
    }
  }

  #begin(repository: Repository, blob: BlobId): SharedDownload {
    const download = new SharedDownload(repository, blob, this.#deps, () => {
      if (this.#running.get(blob.digest) === download) this.#running.delete(blob.digest);
    });
    this.#running.set(blob.digest, download);
    return download;
  }
}

/** Runs from the first follower on, for as long as there is one. */
class SharedDownload {
  readonly #repository: Repository;
  readonly #blob: BlobId;
  readonly #deps: DownloadsDeps;
  readonly #onEnd: () => void;
  readonly #abandoned = new AbortController();
  #ended: Promise<void> | undefined;
  #followers = 0;
  #completedBytes: () => number | undefined = () => undefined;

  constructor(repository: Repository, blob: BlobId, deps: DownloadsDeps, onEnd: () => void) {
    this.#repository = repository;
    this.#blob = blob;
    this.#deps = deps;
    this.#onEnd = onEnd;
  }

  isFrom({ id }: Repository, { sizeBytes }: BlobId): boolean {
    return this.#repository.id === id && this.#blob.sizeBytes === sizeBytes;
  }

  async *follow(o: Waiting): AsyncIterable<number> {
    this.#followers++;
    this.#ended ??= this.#run();
    const leave = this.#leaving(o.signal);
    try {
      const work = { ended: this.#ended, completedBytes: () => this.#completedBytes() };
      yield* followProgress(work, this.#deps.clock, o);
    } finally {
      leave();
      // Whoever has closed the last one knows that nothing writes any more.
      if (this.#followers === 0) await Promise.allSettled([this.#ended]);
    }
  }

  /** A follower also leaves while nobody asks it for its next line. */
  #leaving(signal: AbortSignal): () => void {
    const leave = (): void => {
      signal.removeEventListener("abort", leave);
      if (has) this.#followers--;
      has = false;
      if (this.#followers > 0) return;
      this.#abandoned.abort();
      this.#onEnd();
    };
    let has = true;
    if (signal.aborted) leave();
    else signal.addEventListener("abort", leave, { once: true });
    return leave;
  }

  async #run(): Promise<void> {
    try {
      await this.#bring({ signal: this.#abandoned.signal });
    } finally {
      this.#onEnd();
    }
  }

  async #bring(o: Waiting): Promise<void> {
    const opened = await this.#open(o);
    if (!opened) return;
    await using pieces = opened;
    const download = new Download(this.#repository, pieces, this.#deps);
    this.#completedBytes = () => download.completedBytes;
    await download.run(o);
    try {
      await pieces.commit(o);
    } catch (error) {
      throw isCoded(error, "DIGEST_MISMATCH") ? mismatch(this.#blob, error) : error;
    }
  }

  /** Undefined: it came by another way meanwhile. */
  async #open(o: Waiting): Promise<BlobPieces | undefined> {
    const { blobs, pieces, clock } = this.#deps;
    const { digest, sizeBytes } = this.#blob;
    for (;;) {
      o.signal.throwIfAborted();
      const found = await blobs.stat(digest);
      if (found?.sizeBytes === sizeBytes) return undefined;
      try {
        return await pieces.openPieces(this.#blob, o);
      } catch (error) {
        if (!isCoded(error, "BLOB_BUSY")) throw error;
      }
      this.#completedBytes = () => pieces.piecesOf(digest)?.doneBytes;
      await clock.sleep(BUSY_MS, o.signal);
    }
  }
}

function isCoded(error: unknown, code: string): error is AppError {
  return error instanceof AppError && error.code === code;
}

function mismatch({ digest }: BlobId, cause: AppError): ManagementError {
  const { actual } = cause.details;
  const got = typeof actual === "string" ? `sha256:${actual}` : "another";
  return new ManagementError(
    "DOWNLOAD_MISMATCH",
    `digest mismatch, file must be downloaded again: want ${formatDigest(digest)}, got ${got}`,
    { cause },
  );
}
