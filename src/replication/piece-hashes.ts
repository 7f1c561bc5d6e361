import { createHash, randomUUID, webcrypto } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { type BlobDigest, parseBlobDigest } from "../core/digest.ts";
import { type BlobId, PIECE_BYTES, pieceCount, pieceRange } from "../core/pieces.ts";
import type { BlobStore, Waiting } from "../core/ports.ts";
import { ReplicationError } from "./errors.ts";
import type { Pace } from "./pace.ts";
import { HASH_BYTES } from "./wire.ts";

export interface PieceHashesOptions {
  /** A folder of ours, beside the models and not among them: who may only read those can keep hashes too. */
  readonly dir: string;
}

export interface PieceHashesDeps {
  readonly blobs: Pick<BlobStore, "read">;
  /** How fast they are made; unset: as fast as it goes. */
  readonly pace?: Pick<Pace, "take">;
}

const MAGIC = Buffer.from("OMAXHSH1", "latin1");

/**
 * The SHA-256 of each piece of this node's blobs, made once and kept in a file for each blob:
 *
 *     "OMAXHSH1" | size of the blob, 64 bits | size of a piece, 32 bits | the hashes | SHA-256 of all that
 *
 * A file that is damaged, or of another size of pieces, counts for nothing and is made again.
 */
export class PieceHashes implements AsyncDisposable {
  readonly #dir: string;
  readonly #deps: PieceHashesDeps;
  readonly #stopping = new AbortController();
  /** One at a time, whoever asks: the disk is needed for other things. */
  #making: Promise<unknown> = Promise.resolve();
  readonly #wanted = new Map<BlobDigest, Promise<Uint8Array>>();

  constructor(options: PieceHashesOptions, deps: PieceHashesDeps) {
    this.#dir = options.dir;
    this.#deps = deps;
  }

  /** Undefined when they have not been made. */
  async known(blob: BlobId): Promise<Uint8Array | undefined> {
    if (pieceCount(blob.sizeBytes) === 1) return Buffer.from(blob.digest, "hex");
    try {
      return listIn(await readFile(this.#fileOf(blob.digest)), blob);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
      throw error;
    }
  }

  /** Those of a blob that is here. It goes on when the caller has lost patience: the next one will ask for the same. */
  async make(blob: BlobId, { signal }: Waiting): Promise<Uint8Array> {
    signal.throwIfAborted();
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void => aborted.reject(signal.reason);
    signal.addEventListener("abort", onAbort);
    try {
      return await Promise.race([this.#inTurn(blob), aborted.promise]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** A list that the whole blob has confirmed. */
  async keep(blob: BlobId, list: Uint8Array): Promise<void> {
    if (pieceCount(blob.sizeBytes) <= 1) return;
    const content = Buffer.concat([headOf(blob), list]);
    const file = this.#fileOf(blob.digest);
    const aside = `${file}.${randomUUID()}`;
    await mkdir(this.#dir, { recursive: true });
    try {
      await writeFile(aside, Buffer.concat([content, sha256(content)]));
      await rename(aside, file);
    } finally {
      await rm(aside, { force: true });
    }
  }

  /** Removes the lists of blobs that are not here any more; returns how many went. */
  async sweep(isHere: (digest: BlobDigest) => Promise<boolean>): Promise<number> {
    await mkdir(this.#dir, { recursive: true });
    let removed = 0;
    for (const name of await readdir(this.#dir)) {
      const digest = parseBlobDigest(name);
      if (digest && (await isHere(digest))) continue;
      await rm(path.join(this.#dir, name), { force: true });
      removed++;
    }
    return removed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort(new Error("this node stops"));
    await this.#making;
  }

  #inTurn(blob: BlobId): Promise<Uint8Array> {
    const known = this.#wanted.get(blob.digest);
    if (known !== undefined) return known;
    const wanted = this.#making
      .then(async () => (await this.known(blob)) ?? (await this.#makeNow(blob)))
      .finally(() => this.#wanted.delete(blob.digest));
    this.#making = wanted.catch(() => {}); // Whoever asked gets the error.
    this.#wanted.set(blob.digest, wanted);
    return wanted;
  }

  async #makeNow(blob: BlobId): Promise<Uint8Array> {
    const o = { signal: this.#stopping.signal };
    const count = pieceCount(blob.sizeBytes);
    const list = new Uint8Array(count * HASH_BYTES);
    const { blobs, pace } = this.#deps;
    for (let piece = 0; piece < count; piece++) {
      const bytes = await readPiece(blobs, blob, piece, o);
      await pace?.take(bytes.length, o);
      list.set(await pieceHash(bytes), piece * HASH_BYTES);
    }
    await this.keep(blob, list);
    return list;
  }

  #fileOf(digest: BlobDigest): string {
    if (parseBlobDigest(digest) !== digest) throw new Error(`not a digest: ${digest}`);
    return path.join(this.#dir, digest);
  }
}

/** In libuv's threads, not on the event loop, which `node:crypto`'s own functions would hold for two milliseconds. */
export async function pieceHash(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await webcrypto.subtle.digest("SHA-256", onHeap(bytes)));
}

export function hashOf(list: Uint8Array, piece: number): Uint8Array {
  return list.subarray(piece * HASH_BYTES, (piece + 1) * HASH_BYTES);
}

/** Usually one part, as it comes. */
export async function readPiece(
  blobs: Pick<BlobStore, "read">,
  blob: BlobId,
  piece: number,
  o: Waiting,
): Promise<Uint8Array> {
  const parts = await Array.fromAsync(blobs.read(blob.digest, pieceRange(blob, piece), o));
  const [part] = parts;
  if (parts.length === 1 && part) return part;
  if (parts.length === 0) throw new ReplicationError("NOT_HERE", "the blob has changed");
  return Buffer.concat(parts);
}

/** WebCrypto's types want memory that no thread shares, which is all that this program has. */
function onHeap(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, byteLength } = bytes;
  return buffer instanceof ArrayBuffer
    ? new Uint8Array(buffer, byteOffset, byteLength)
    : new Uint8Array(bytes);
}

function headOf({ sizeBytes }: BlobId): Buffer {
  const head = Buffer.alloc(MAGIC.length + 8 + 4);
  MAGIC.copy(head);
  head.writeBigUInt64LE(BigInt(sizeBytes), MAGIC.length);
  head.writeUInt32LE(PIECE_BYTES, MAGIC.length + 8);
  return head;
}

function listIn(file: Buffer, blob: BlobId): Uint8Array | undefined {
  const head = headOf(blob);
  const listBytes = pieceCount(blob.sizeBytes) * HASH_BYTES;
  const content = file.subarray(0, head.length + listBytes);
  if (file.length !== content.length + HASH_BYTES) return undefined;
  if (!content.subarray(0, head.length).equals(head)) return undefined;
  if (!file.subarray(content.length).equals(sha256(content))) return undefined;
  return content.subarray(head.length);
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}
