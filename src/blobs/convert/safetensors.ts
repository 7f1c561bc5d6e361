import { type FileHandle, open } from "node:fs/promises";
import { z } from "zod";
import type { Waiting } from "../../core/ports.ts";
import type { Span } from "../gguf.ts";
import { readFully } from "../read-fully.ts";
import { badCheckpoint, notConvertible } from "./checkpoint-error.ts";
import { TENSOR_TYPES, type TensorType } from "./gguf-head.ts";
import { parseJson } from "./json.ts";

/** A tensor in a file of the checkpoint. */
export interface StoredTensor {
  readonly name: string;
  readonly type: TensorType;
  /** As the file has it: the length of a row last. */
  readonly shape: readonly number[];
  readonly file: string;
  readonly data: Span;
}

/** The format's own limit (huggingface/safetensors, MAX_HEADER_SIZE). */
const HEADER_BYTES_MAX = 100_000_000;
const LENGTH_BYTES = 8;
const TENSORS_MAX = 200_000;
const DIMENSIONS_MAX = 4;

const count = z.int().nonnegative();
const entrySchema = z.object({
  dtype: z.string().max(20),
  shape: z.array(count).max(DIMENSIONS_MAX),
  data_offsets: z.tuple([count, count]),
});

/**
 * Reads the head of a safetensors file (https://huggingface.co/docs/safetensors, "Format"): its tensors and where their data
 * lie, checked against what the file holds. `label` is what errors call it.
 */
export async function readSafetensors(
  file: string,
  label: string,
  { signal }: Waiting,
): Promise<readonly StoredTensor[]> {
  await using handle = await open(file, "r");
  const { size } = await handle.stat();
  const length = size < LENGTH_BYTES ? size : Number((await read(handle, 0, 8)).readBigUInt64LE());
  if (size < LENGTH_BYTES || length > HEADER_BYTES_MAX) {
    throw badCheckpoint(`${label} is no safetensors file: its header has no sensible length`);
  }
  const dataStart = LENGTH_BYTES + length;
  if (dataStart > size)
    throw badCheckpoint(`${label} was cut off inside its header: send it again`);
  signal.throwIfAborted();
  const header = parseJson(await read(handle, LENGTH_BYTES, length), label);
  const entries = Object.entries(header).filter(([name]) => name !== "__metadata__");
  if (entries.length > TENSORS_MAX) {
    throw badCheckpoint(
      `${label} has ${entries.length} tensors, more than the ${TENSORS_MAX} allowed`,
    );
  }
  return entries.map(([name, entry]) => tensorOf(name, entry, { file, label, dataStart, size }));
}

function tensorOf(
  name: string,
  entry: unknown,
  place: { readonly file: string; label: string; dataStart: number; size: number },
): StoredTensor {
  const { file, label, dataStart, size } = place;
  const parsed = entrySchema.safeParse(entry);
  if (!parsed.success) throw badCheckpoint(`${label} describes its tensor ${name} wrongly`);
  const { dtype, shape, data_offsets } = parsed.data;
  if (!isTensorType(dtype)) {
    throw notConvertible(`${label}, whose tensor ${name} is ${dtype} and not F32, F16 or BF16,`);
  }
  const data = { start: dataStart + data_offsets[0], end: dataStart + data_offsets[1] };
  const values = shape.reduce((product, length) => product * length, 1);
  if (data.end - data.start !== values * TENSOR_TYPES[dtype].bytes) {
    throw badCheckpoint(`${label} describes its tensor ${name} wrongly`);
  }
  if (data.end > size) {
    throw badCheckpoint(
      `${label} was cut off: its tensor ${name} ends at byte ${data.end} of ${size}; send it again`,
    );
  }
  return { name, type: dtype, shape, file, data };
}

function isTensorType(text: string): text is TensorType {
  return Object.hasOwn(TENSOR_TYPES, text);
}

async function read(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  if ((await readFully(handle, bytes, position)) === length) return bytes;
  throw badCheckpoint("a file became shorter while it was read");
}
