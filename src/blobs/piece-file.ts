import { webcrypto } from "node:crypto";
import { type FileHandle, rename, rm } from "node:fs/promises";
import { formatDigest, parseBlobDigest } from "../core/digest.ts";
import { type BlobId, type BlobPieces, pieceCount, pieceRange } from "../core/pieces.ts";
import type { Waiting } from "../core/ports.ts";
import { BlobError, writeFailure } from "./errors.ts";
import { blobPath, type Layout, type PieceFiles, pieceFiles } from "./layout.ts";
import { syncFolder } from "./partial-blob.ts";
import { type OpenPieces, removeFiles } from "./piece-files.ts";
import { recordEntries } from "./piece-record.ts";
import { PrefixHash } from "./prefix-hash.ts";

type State = "absent" | "writing" | "there";

/**
 * A blob that arrives in pieces: a sparse file, and a record of the pieces that are in it. `has` is true as soon as a piece is
 * written; the record says so once the piece would also survive a power failure. So a process that is killed loses what it
 * wrote during the last sync, and never counts on a piece that is not whole.
 */
export class PieceFile implements BlobPieces {
  readonly blob: BlobId;
  readonly count: number;
  readonly #layout: Layout;
  readonly #files: PieceFiles;
  readonly #data: FileHandle;
  readonly #record: FileHandle;
  readonly #onClosed: () => void;
  readonly #states: State[];
  readonly #working = new Set<Promise<unknown>>();
  #doneBytes = 0;
  #recordBytes: number;
  /** Pieces from the start without a gap: what can be hashed. */
  #prefix = 0;
  #hash: PrefixHash | undefined;
  /** One write at a time: the system lets only one into a file, and threads that wait for it burn a processor. */
  #writing: Promise<void> = Promise.resolve();
  #unmarked: number[] = [];
  #marking: Promise<void> | undefined;
  #failure: unknown;
  #closing: Promise<void> | undefined;

  constructor(blob: BlobId, layout: Layout, opened: OpenPieces, onClosed: () => void) {
    this.blob = blob;
    this.count = pieceCount(blob.sizeBytes);
    this.#layout = layout;
    this.#files = pieceFiles(layout, blob.digest);
    this.#data = opened.data;
    this.#record = opened.record;
    this.#recordBytes = opened.recordBytes;
    this.#onClosed = onClosed;
    this.#states = Array.from({ length: this.count }, () => "absent");
    for (const piece of opened.pieces) this.#keep(piece);
  }

  get doneBytes(): number {
    return this.#doneBytes;
  }

  has(piece: number): boolean {
    return this.#states[piece] === "there";
  }

  write(piece: number, bytes: Uint8Array, { signal }: Waiting): Promise<void> {
    return this.#work(signal, async () => {
      const { start, end } = this.#rangeOf(piece);
      if (bytes.length !== end - start) {
        const problem = `${bytes.length} bytes for piece ${piece}, which has ${end - start}`;
        throw new BlobError("RANGE_INVALID", problem);
      }
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#states[piece] !== "absent") throw new Error(`piece ${piece} is written twice`);
      this.#states[piece] = "writing";
      try {
        await this.#writeInTurn(bytes, start);
      } catch (error) {
        this.#states[piece] = "absent";
        throw writeFailure(error, this.#layout.dir);
      }
      this.#keep(piece);
      this.#unmarked.push(piece);
      this.#marking ??= this.#mark();
      this.#hashOn();
    });
  }

  read(
    piece: number,
    { signal, part, memory = Buffer.allocUnsafe }: Parameters<BlobPieces["read"]>[1],
  ): Promise<Uint8Array> {
    return this.#work(signal, async () => {
      const { start, end } = this.#rangeOf(piece);
      if (!this.has(piece)) throw new BlobError("RANGE_INVALID", `piece ${piece} is not here`);
      const from = part?.start ?? 0;
      const to = part?.end ?? end - start;
      if (!(from >= 0 && from <= to && to <= end - start)) {
        throw new BlobError("RANGE_INVALID", `bytes ${from} to ${to} of piece ${piece}`);
      }
      return await readAll(this.#data, start + from, memory(to - from));
    });
  }

  async commit(o: Waiting): Promise<void> {
    await this.#work(o.signal, async () => {
      if (this.#doneBytes !== this.blob.sizeBytes) throw new Error("pieces are missing");
      await this.#marking;
      if (this.#failure !== undefined) throw this.#failure;
    });
    const actual = await this.#work(o.signal, () => this.#digest(o));
    if (actual !== this.blob.digest) {
      await this.discard();
      throw new BlobError(
        "DIGEST_MISMATCH",
        `digest mismatch, expected "${formatDigest(this.blob.digest)}", got "${formatDigest(actual)}"`,
        { details: { expected: this.blob.digest, actual } },
      );
    }
    try {
      await this.#data.sync();
      // A blob that lies there already may be damaged; this one is not.
      await this.#close(async () => {
        await rename(this.#files.data, blobPath(this.#layout, this.blob.digest));
        await syncFolder(this.#layout.blobsDir);
        await removeFiles(this.#files);
      });
    } catch (error) {
      throw writeFailure(error, this.#layout.dir);
    }
  }

  async discard(): Promise<void> {
    await this.#close(() => removeFiles(this.#files));
  }

  /** Whoever discarded or committed it has heard what went wrong there. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing !== undefined) {
      await Promise.allSettled([this.#closing]);
      return;
    }
    await this.#close(async () => {
      if (this.#doneBytes === 0) await removeFiles(this.#files);
    });
  }

  /** Calls that run are waited for before the files are closed, and none begins afterwards. */
  async #work<T>(signal: AbortSignal, action: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    if (this.#closing !== undefined) {
      throw new BlobError("BLOB_NOT_FOUND", "the pieces of this blob are not written any more");
    }
    const working = action();
    this.#working.add(working);
    try {
      return await working;
    } finally {
      this.#working.delete(working);
    }
  }

  #writeInTurn(bytes: Uint8Array, start: number): Promise<void> {
    const written = this.#writing.then(() => writeAll(this.#data, bytes, start));
    this.#writing = written.catch(() => {}); // Its caller gets the error.
    return written;
  }

  #rangeOf(piece: number): { readonly start: number; readonly end: number } {
    if (Number.isInteger(piece) && piece >= 0 && piece < this.count) {
      return pieceRange(this.blob, piece);
    }
    throw new BlobError("RANGE_INVALID", `there is no piece ${piece} of ${this.count}`);
  }

  #keep(piece: number): void {
    const { start, end } = this.#rangeOf(piece);
    this.#states[piece] = "there";
    this.#doneBytes += end - start;
    while (this.has(this.#prefix)) this.#prefix++;
  }

  /** One sync after another while pieces come: each covers all that came during the one before. */
  async #mark(): Promise<void> {
    try {
      while (this.#unmarked.length > 0) {
        const pieces = this.#unmarked;
        this.#unmarked = [];
        await this.#data.datasync();
        const entries = recordEntries(pieces);
        await writeAll(this.#record, entries, this.#recordBytes);
        this.#recordBytes += entries.length;
      }
    } catch (error) {
      this.#failure = writeFailure(error, this.#layout.dir);
    } finally {
      this.#marking = undefined;
    }
  }

  #hashOn(): void {
    if (this.count <= 1 || this.#prefix === 0) return;
    this.#hash ??= PrefixHash.open(this.#files.data);
    this.#hash.advance(pieceRange(this.blob, this.#prefix - 1).end);
  }

  async #digest(o: Waiting): Promise<BlobId["digest"]> {
    const hex = this.count <= 1 ? await this.#smallDigest() : await this.#largeDigest(o);
    const digest = parseBlobDigest(hex);
    if (!digest) throw new Error("SHA-256 gave no digest");
    return digest;
  }

  /** A thread costs more than these few bytes. */
  async #smallDigest(): Promise<string> {
    const bytes = await readAll(this.#data, 0, Buffer.allocUnsafe(this.blob.sizeBytes));
    return Buffer.from(await webcrypto.subtle.digest("SHA-256", bytes)).toString("hex");
  }

  async #largeDigest(o: Waiting): Promise<string> {
    this.#hashOn();
    if (!this.#hash) throw new Error("nothing is hashed");
    return await this.#hash.digest(o);
  }

  #close(then: () => Promise<void>): Promise<void> {
    this.#closing ??= this.#closeOnce(then);
    return this.#closing;
  }

  async #closeOnce(then: () => Promise<void>): Promise<void> {
    try {
      await using stack = new AsyncDisposableStack();
      stack.defer(() => rm(this.#files.lock, { force: true }));
      stack.defer(then);
      stack.use(this.#data);
      stack.use(this.#record);
      stack.use(this.#hash);
      stack.defer(async () => {
        await Promise.allSettled([...this.#working]);
        await this.#marking;
      });
    } finally {
      this.#onClosed();
    }
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array, start: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, start + done);
    done += bytesWritten;
  }
}

async function readAll<T extends Uint8Array>(
  file: FileHandle,
  start: number,
  bytes: T,
): Promise<T> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, start + done);
    if (bytesRead === 0) throw new BlobError("BLOB_CHANGED", "the file of pieces became shorter");
    done += bytesRead;
  }
  return bytes;
}
