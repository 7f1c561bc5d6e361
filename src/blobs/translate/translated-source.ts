import { type FileHandle, open } from "node:fs/promises";
import type { Waiting } from "../../core/ports.ts";
import { convertValues, interleaveHalves } from "../convert/convert-values.ts";
import { BlobError, GgufError } from "../errors.ts";
import { readFully } from "../read-fully.ts";
import { type DraftTensor, F32, type GgufDraft, type Part } from "./gguf-draft.ts";

/** A multiple of a block of Q8_0 and of what an F32 takes. */
const BLOCK_BYTES = 34 * 32 * 1_024;
const PLAIN = { 0: "F32", 1: "F16", 30: "BF16" } as const;
const Q8_0 = { typeId: 8, values: 32, bytes: 34 } as const;

/** What the file would be that the draft is the head of: each of its bytes is valid until the next ones are taken. */
export async function* translatedChunks(
  file: string,
  draft: GgufDraft,
  o: Waiting,
): AsyncGenerator<Uint8Array> {
  yield draft.head();
  await using handle = await open(file, "r");
  for (const { tensor, paddingBytes } of draft.data()) {
    for (const part of tensor.parts) yield* partChunks(handle, tensor, part, o);
    if (paddingBytes > 0) yield Buffer.alloc(paddingBytes);
  }
}

async function* partChunks(
  handle: FileHandle,
  { typeId, shape, heads }: DraftTensor,
  part: Part,
  { signal }: Waiting,
): AsyncGenerator<Uint8Array> {
  if ("zeroBytes" in part) {
    yield Buffer.alloc(part.zeroBytes);
    return;
  }
  const { start, end } = part;
  // The order of a head's rows can be changed only where all of them are there.
  const stepBytes = heads ? (end - start) / heads : BLOCK_BYTES;
  const headRows = heads && (shape[1] ?? 0) / heads;
  const block = new Uint8Array(Math.min(stepBytes, end - start));
  for (let position = start; position < end; position += block.length) {
    signal.throwIfAborted();
    const bytes = block.subarray(0, Math.min(block.length, end - position));
    if ((await readFully(handle, bytes, position)) < bytes.length) throw changed();
    const ordered = headRows ? interleaveHalves(bytes, headRows) : bytes;
    yield part.typeId === typeId ? ordered : asFloats(ordered, part.typeId);
  }
}

/** Whether its values can be made F32. */
export function isConvertible(typeId: number): boolean {
  return typeId in PLAIN || typeId === Q8_0.typeId;
}

function asFloats(bytes: Uint8Array<ArrayBuffer>, typeId: number): Uint8Array {
  if (typeId === Q8_0.typeId) return unpacked(bytes);
  const type = PLAIN[typeId as keyof typeof PLAIN];
  if (!type) throw new GgufError("MALFORMED", `values of type ${typeId} are not made F32`);
  return convertValues(bytes, type, PLAIN[F32], 0);
}

/** Blocks of a scale in F16 and 32 whole numbers (ggml-common.h, block_q8_0). */
function unpacked(bytes: Uint8Array<ArrayBuffer>): Uint8Array {
  const { values, bytes: blockBytes } = Q8_0;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const result = new Float32Array((bytes.length / blockBytes) * values);
  for (let block = 0; block * blockBytes < bytes.length; block++) {
    const at = block * blockBytes;
    const scale = view.getFloat16(at, true);
    for (let i = 0; i < values; i++) result[block * values + i] = scale * view.getInt8(at + 2 + i);
  }
  return new Uint8Array(result.buffer);
}

function changed(): BlobError {
  return new BlobError("FILE_CHANGED", "A model's file was changed while it was read.");
}
