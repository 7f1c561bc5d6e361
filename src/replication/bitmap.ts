/** Which pieces of a blob somebody has: a bit for each, the first in the lowest bit of the first byte. */
export function bitmapOf(count: number, has: (piece: number) => boolean): Uint8Array {
  const bits = new Uint8Array(bitmapBytes(count));
  for (let piece = 0; piece < count; piece++) {
    if (has(piece)) bits[piece >> 3] = (bits[piece >> 3] ?? 0) | (1 << (piece & 7));
  }
  return bits;
}

export function bitmapBytes(count: number): number {
  return Math.ceil(count / 8);
}

export function isSet(bits: Uint8Array, piece: number): boolean {
  return (((bits[piece >> 3] ?? 0) >> (piece & 7)) & 1) === 1;
}
