import { PIECE_BYTES, pieceCount } from "../core/pieces.ts";

/** Pieces of a blob from `first` up to, not including, `end`. */
export interface Span {
  readonly first: number;
  readonly end: number;
}

/** Ollama's own numbers (server/download.go, server/upload.go). */
export const PARTS_AT_ONCE_MAX = 16;
const PART_BYTES_MIN = 100_000_000;
const PART_BYTES_MAX = 1_000_000_000;

export function partBytes(sizeBytes: number): number {
  const share = Math.floor(sizeBytes / PARTS_AT_ONCE_MAX);
  return Math.min(Math.max(share, PART_BYTES_MIN), PART_BYTES_MAX);
}

/** What to ask a registry for at once: Ollama's parts, made of whole pieces. */
export function planParts(sizeBytes: number): Span[] {
  const count = pieceCount(sizeBytes);
  const step = Math.ceil(partBytes(sizeBytes) / PIECE_BYTES);
  const parts: Span[] = [];
  for (let first = 0; first < count; first += step) {
    parts.push({ first, end: Math.min(first + step, count) });
  }
  return parts;
}

/** The first run of pieces in the span that are not there yet. */
export function firstGap(span: Span, has: (piece: number) => boolean): Span | undefined {
  let first = span.first;
  while (first < span.end && has(first)) first++;
  if (first === span.end) return undefined;
  let end = first + 1;
  while (end < span.end && !has(end)) end++;
  return { first, end };
}

/** Bytes from `start` up to, not including, `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** The parts of a blob that is sent. */
export function planUpload(sizeBytes: number): ByteRange[] {
  const step = partBytes(sizeBytes);
  const parts: ByteRange[] = [];
  for (let start = 0; start < sizeBytes; start += step) {
    parts.push({ start, end: Math.min(start + step, sizeBytes) });
  }
  return parts;
}

const CONTENT_RANGE = /^bytes (\d{1,15})-(\d{1,15})\/(?:(\d{1,15})|\*)$/i;

/** RFC 9110 §14.4; undefined for what is no satisfied range. */
export function parseContentRange(
  text: string,
): (ByteRange & { readonly sizeBytes: number | undefined }) | undefined {
  const match = CONTENT_RANGE.exec(text.trim());
  if (!match) return undefined;
  const [start, last] = [Number(match[1]), Number(match[2])];
  const sizeBytes = match[3] === undefined ? undefined : Number(match[3]);
  if (last < start || (sizeBytes !== undefined && last >= sizeBytes)) return undefined;
  return { start, end: last + 1, sizeBytes };
}
