import type { BlobDigest } from "../core/digest.ts";
import { type BlobId, type PieceStore, pieceCount, pieceRange } from "../core/pieces.ts";
import type { BlobStore, Waiting } from "../core/ports.ts";
import { bitmapOf } from "./bitmap.ts";
import { ReplicationError } from "./errors.ts";
import type { Have } from "./wire.ts";

export type LocalBlobs = Pick<BlobStore, "stat" | "read"> & Pick<PieceStore, "piecesOf">;

/** Messages of more would hold up what else the event loop has to do, of less would cost more than they carry. */
export const PART_BYTES = 1024 * 1024;

/** What this node has of a blob: the whole, or what has come of it so far. */
export class Holding {
  readonly blob: BlobId;
  readonly #blobs: LocalBlobs;

  private constructor(blob: BlobId, blobs: LocalBlobs) {
    this.blob = blob;
    this.#blobs = blobs;
  }

  static async of(digest: BlobDigest, blobs: LocalBlobs): Promise<Holding | undefined> {
    const arriving = blobs.piecesOf(digest);
    if (arriving) return new Holding(arriving.blob, blobs);
    const stored = await blobs.stat(digest);
    return stored && new Holding({ digest, sizeBytes: stored.sizeBytes }, blobs);
  }

  /** One that is being written again is believed no more than what has come. */
  get have(): Have {
    const arriving = this.#blobs.piecesOf(this.blob.digest);
    if (!arriving) return "whole";
    return bitmapOf(pieceCount(this.blob.sizeBytes), (piece) => arriving.has(piece));
  }

  has(piece: number): boolean {
    if (piece >= pieceCount(this.blob.sizeBytes)) return false;
    return this.#blobs.piecesOf(this.blob.digest)?.has(piece) ?? true;
  }

  /** In parts of `PART_BYTES` at most, each in memory that `memory` gives. */
  async *read(
    piece: number,
    o: Waiting & { readonly memory?: (sizeBytes: number) => Uint8Array },
  ): AsyncIterable<Uint8Array> {
    const { start, end } = pieceRange(this.blob, piece);
    for (let done = 0; done < end - start; ) {
      const part = { start: done, end: Math.min(done + PART_BYTES, end - start) };
      const arriving = this.#blobs.piecesOf(this.blob.digest);
      const bytes = arriving && (await bytesOf(arriving.read(piece, { ...o, part }), o));
      if (!bytes) {
        // It may have become whole since.
        yield* this.#blobs.read(this.blob.digest, { start: start + done, end }, o);
        return;
      }
      yield bytes;
      done = part.end;
    }
  }

  /** Throws when the caller means another blob than this one. */
  expectSize(sizeBytes: number): void {
    if (sizeBytes === this.blob.sizeBytes) return;
    throw new ReplicationError(
      "NOT_HERE",
      `a blob of ${sizeBytes} bytes is not here, but one of ${this.blob.sizeBytes}`,
    );
  }
}

async function bytesOf(
  reading: Promise<Uint8Array>,
  { signal }: Waiting,
): Promise<Uint8Array | undefined> {
  try {
    return await reading;
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}
