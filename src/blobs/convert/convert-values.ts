import type { TensorType } from "./gguf-head.ts";

/** Values of another type, and each plus `shift`; those that need no change as they are. F32 is exact for all that come. */
export function convertValues(
  bytes: Uint8Array<ArrayBuffer>,
  from: TensorType,
  to: TensorType,
  shift: number,
): Uint8Array<ArrayBuffer> {
  if (from === to && shift === 0) return bytes;
  const values = floatsOf(bytes, from);
  if (shift !== 0) for (let i = 0; i < values.length; i++) values[i] = (values[i] ?? 0) + shift;
  switch (to) {
    case "F32":
      return bytesOf(values);
    case "F16":
      return bytesOf(new Float16Array(values));
    case "BF16":
      throw new Error(`${from} is not made BF16`);
  }
}

/** The bytes must begin where a value of four bytes may begin. */
function floatsOf(bytes: Uint8Array<ArrayBuffer>, type: TensorType): Float32Array<ArrayBuffer> {
  const { buffer, byteOffset, byteLength } = bytes;
  switch (type) {
    case "F32":
      return new Float32Array(buffer, byteOffset, byteLength / 4);
    case "F16":
      return new Float32Array(new Float16Array(buffer, byteOffset, byteLength / 2));
    case "BF16": {
      // The upper half of an F32.
      const halves = new Uint16Array(buffer, byteOffset, byteLength / 2);
      const words = new Uint32Array(halves.length);
      for (let i = 0; i < halves.length; i++) words[i] = (halves[i] ?? 0) << 16;
      return new Float32Array(words.buffer);
    }
  }
}

function bytesOf({
  buffer,
  byteOffset,
  byteLength,
}: Float32Array<ArrayBuffer> | Float16Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/**
 * The rows of one head in llama.cpp's order: those of its first half and of its second in turn. What Meta's models turn
 * together by a position are neighbours, as in llama.cpp; transformers has put them half a head apart.
 */
export function interleaveHalves(
  head: Uint8Array<ArrayBuffer>,
  rows: number,
): Uint8Array<ArrayBuffer> {
  const rowBytes = head.length / rows;
  const half = rows / 2;
  const result = new Uint8Array(head.length);
  for (let row = 0; row < rows; row++) {
    const from = (row % 2) * half + Math.floor(row / 2);
    result.set(head.subarray(from * rowBytes, (from + 1) * rowBytes), row * rowBytes);
  }
  return result;
}
