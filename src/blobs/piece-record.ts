import { crc32 } from "node:zlib";
import { type BlobId, PIECE_BYTES, pieceCount } from "../core/pieces.ts";

/**
 * Which pieces of a blob are on disk, as a file that only grows: a head that says of what, then an entry for each piece.
 * Every part carries its own checksum, so a process that is killed, or a machine that stops, in the middle of a write
 * leaves at worst an entry that does not count. An entry is written after its piece.
 *
 *     head:   "OMAXPCS1" | size of the blob, 64 bits | size of a piece, 32 bits | CRC-32 of these
 *     entry:  number of the piece, 32 bits | CRC-32 of it
 */
const MAGIC = Buffer.from("OMAXPCS1", "latin1");
const HEAD_BYTES = MAGIC.length + 8 + 4 + 4;
const ENTRY_BYTES = 8;
/** A piece may be told again when nobody knows whether the first time came through. */
const ENTRIES_PER_PIECE_MAX = 2;

export interface PieceRecord {
  readonly pieces: ReadonlySet<number>;
  /** Where the next entry goes: what is behind is no entry. */
  readonly lengthBytes: number;
}

export function recordHead({ sizeBytes }: BlobId): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  MAGIC.copy(head);
  head.writeBigUInt64LE(BigInt(sizeBytes), MAGIC.length);
  head.writeUInt32LE(PIECE_BYTES, MAGIC.length + 8);
  head.writeUInt32LE(crc32(head.subarray(0, HEAD_BYTES - 4)), HEAD_BYTES - 4);
  return head;
}

export function recordEntries(pieces: readonly number[]): Buffer {
  const entries = Buffer.alloc(pieces.length * ENTRY_BYTES);
  for (const [index, piece] of pieces.entries()) {
    const start = index * ENTRY_BYTES;
    entries.writeUInt32LE(piece, start);
    entries.writeUInt32LE(crc32(entries.subarray(start, start + 4)), start + 4);
  }
  return entries;
}

export function recordBytesMax(blob: BlobId): number {
  return HEAD_BYTES + pieceCount(blob.sizeBytes) * ENTRIES_PER_PIECE_MAX * ENTRY_BYTES;
}

/** Undefined when it is the record of no blob, or of another one. */
export function readRecord(bytes: Buffer, blob: BlobId): PieceRecord | undefined {
  if (!bytes.subarray(0, HEAD_BYTES).equals(recordHead(blob))) return undefined;
  if (bytes.length > recordBytesMax(blob)) return undefined;
  const count = pieceCount(blob.sizeBytes);
  const pieces = new Set<number>();
  let lengthBytes = HEAD_BYTES;
  for (; lengthBytes + ENTRY_BYTES <= bytes.length; lengthBytes += ENTRY_BYTES) {
    const piece = bytes.readUInt32LE(lengthBytes);
    const checksum = bytes.readUInt32LE(lengthBytes + 4);
    if (piece >= count || checksum !== crc32(bytes.subarray(lengthBytes, lengthBytes + 4))) break;
    pieces.add(piece);
  }
  return { pieces, lengthBytes };
}
