import type { BlobDigest } from "./digest.ts";
import type { Waiting } from "./ports.ts";

/** What a transfer moves, checks, records as done and goes on after. The last piece of a blob is what is left. */
export const PIECE_BYTES = 4 * 1024 * 1024;

export interface BlobId {
  readonly digest: BlobDigest;
  readonly sizeBytes: number;
}

/** Blobs that arrive in pieces, in any order, from any number of places, over several runs of the daemon. Owner: blobs. */
export interface PieceStore {
  /**
   * Takes up what an earlier run left of this blob. Rejects with BLOB_BUSY while somebody else writes it, and with DISK_FULL
   * when what is missing does not fit.
   */
  openPieces(blob: BlobId, o: Waiting): Promise<BlobPieces>;
  /** The blob that is being written here now, so that others can read what there is of it. */
  piecesOf(digest: BlobDigest): BlobPieces | undefined;
}

/** Disposal closes it and keeps what is there for the next time. */
export interface BlobPieces extends AsyncDisposable {
  readonly blob: BlobId;
  readonly count: number;
  readonly doneBytes: number;
  has(piece: number): boolean;
  /** A whole piece, at most once for each; different ones may be written at once. `has` says true after it. */
  write(piece: number, bytes: Uint8Array, o: Waiting): Promise<void>;
  /** A piece that is there, or a part of it, from `start` up to, not including, `end`; in memory that `memory` gives, if set. */
  read(
    piece: number,
    o: Waiting & {
      readonly part?: { readonly start: number; readonly end: number };
      readonly memory?: (sizeBytes: number) => Uint8Array;
    },
  ): Promise<Uint8Array>;
  /**
   * Once every piece is there: checks the SHA-256 of the whole, syncs file and folder, renames. Rejects with DIGEST_MISMATCH
   * after it has removed everything.
   */
  commit(o: Waiting): Promise<void>;
  /** Removes what is there. */
  discard(): Promise<void>;
}

export function pieceCount(sizeBytes: number): number {
  return Math.ceil(sizeBytes / PIECE_BYTES);
}

/** Where a piece lies in its blob: from `start` up to, not including, `end`. */
export function pieceRange(
  { sizeBytes }: Pick<BlobId, "sizeBytes">,
  piece: number,
): { readonly start: number; readonly end: number } {
  const start = piece * PIECE_BYTES;
  return { start, end: Math.min(start + PIECE_BYTES, sizeBytes) };
}
