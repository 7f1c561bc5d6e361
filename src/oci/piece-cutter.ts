import { type BlobId, PIECE_BYTES, pieceRange } from "../core/pieces.ts";
import { invalid, TransferError } from "./errors.ts";
import type { ByteRange } from "./part-plan.ts";

export interface Piece {
  readonly piece: number;
  readonly bytes: Uint8Array;
}

/**
 * Cuts a stream that begins at a piece's start into pieces. Throws CUT_OFF when it ends too early; more bytes than the range
 * has are an error, and what came before them is not to be trusted the less: the whole is hashed in the end.
 */
export async function* cutPieces(
  blob: BlobId,
  { start, end }: ByteRange,
  chunks: AsyncIterable<Uint8Array>,
): AsyncIterable<Piece> {
  let at = start;
  let buffer = Buffer.alloc(0);
  let filled = 0;
  for await (const chunk of chunks) {
    if (at + filled + chunk.length > end) {
      throw invalid(`more bytes came than the ${end - start} that were asked for`);
    }
    for (let taken = 0; taken < chunk.length; ) {
      const piece = at / PIECE_BYTES;
      if (filled === 0) buffer = Buffer.allocUnsafeSlow(sizeOf(blob, piece));
      const part = chunk.subarray(taken, taken + buffer.length - filled);
      buffer.set(part, filled);
      filled += part.length;
      taken += part.length;
      if (filled < buffer.length) continue;
      yield { piece, bytes: buffer };
      at += filled;
      filled = 0;
    }
  }
  if (at < end) throw new TransferError("CUT_OFF", `${end - at - filled} bytes are missing`);
}

function sizeOf(blob: BlobId, piece: number): number {
  const { start, end } = pieceRange(blob, piece);
  return end - start;
}
