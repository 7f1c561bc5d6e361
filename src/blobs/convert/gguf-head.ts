import { alignUp } from "../gguf.ts";

/** A value with the type that it has in the file. */
export type GgufTyped =
  | { readonly type: "uint32" | "float32"; readonly value: number }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "strings"; readonly value: readonly string[] }
  | { readonly type: "float32s" | "int32s" | "uint8s"; readonly value: readonly number[] }
  | { readonly type: "bools"; readonly value: readonly boolean[] };

export type GgufKeys = ReadonlyMap<string, GgufTyped>;

/** The types of tensors that a converted model has, with their numbers in the file and what a value takes. */
export const TENSOR_TYPES = {
  F32: { id: 0, bytes: 4 },
  F16: { id: 1, bytes: 2 },
  BF16: { id: 30, bytes: 2 },
} as const;
export type TensorType = keyof typeof TENSOR_TYPES;

export interface HeadTensor {
  readonly name: string;
  readonly type: TensorType;
  /** The length of a row first. */
  readonly shape: readonly number[];
}

export const GGUF_ALIGNMENT = 32;
const VERSION = 3;
const TYPE_IDS = { uint32: 4, float32: 6, bool: 7, string: 8 } as const;
const ARRAY_ID = 9;
const ITEM_IDS = { strings: 8, float32s: 6, int32s: 5, uint8s: 0, bools: 7 } as const;

export function tensorBytes({ type, shape }: Omit<HeadTensor, "name">): number {
  return shape.reduce((product, size) => product * size, 1) * TENSOR_TYPES[type].bytes;
}

/**
 * The head of a GGUF file of version 3 (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), up to where the data of
 * its first tensor begins. Each tensor's data has its place at the next 32 bytes after the one before.
 */
export function formatGgufHead(keys: GgufKeys, tensors: readonly HeadTensor[]): Buffer {
  const parts: Buffer[] = [formatBeginning(tensors.length, keys.size)];
  for (const [key, value] of keys) parts.push(formatText(key), formatValue(value));
  let offset = 0;
  for (const tensor of tensors) {
    parts.push(formatEntry({ ...tensor, typeId: TENSOR_TYPES[tensor.type].id, offset }));
    offset = alignUp(offset + tensorBytes(tensor), GGUF_ALIGNMENT);
  }
  const head = Buffer.concat(parts);
  return Buffer.concat([head], alignUp(head.length, GGUF_ALIGNMENT));
}

/** What comes before the keys. */
export function formatBeginning(tensorCount: number, keyCount: number, version = VERSION): Buffer {
  const counts = [uint64(tensorCount), uint64(keyCount)];
  return Buffer.concat([Buffer.from("GGUF"), uint32(version), ...counts]);
}

/** Of a tensor: `offset` is where its data begins, counted from that of the first one. */
export function formatEntry(tensor: {
  readonly name: string;
  readonly shape: readonly number[];
  readonly typeId: number;
  readonly offset: number;
}): Buffer {
  const { name, shape, typeId, offset } = tensor;
  const dimensions = [uint32(shape.length), ...shape.map(uint64)];
  return Buffer.concat([formatText(name), ...dimensions, uint32(typeId), uint64(offset)]);
}

/** With its type before it, as it follows its key. */
export function formatValue(typed: GgufTyped): Buffer {
  switch (typed.type) {
    case "string":
      return Buffer.concat([uint32(TYPE_IDS.string), formatText(typed.value)]);
    case "bool":
      return Buffer.concat([uint32(TYPE_IDS.bool), Buffer.of(typed.value ? 1 : 0)]);
    case "uint32":
      return Buffer.concat([uint32(TYPE_IDS.uint32), uint32(typed.value)]);
    case "float32":
      return Buffer.concat([uint32(TYPE_IDS.float32), numbers(Float32Array, [typed.value])]);
    case "strings":
      return Buffer.concat([...arrayOf(typed), ...typed.value.map(formatText)]);
    case "float32s":
      return Buffer.concat([...arrayOf(typed), numbers(Float32Array, typed.value)]);
    case "int32s":
      return Buffer.concat([...arrayOf(typed), numbers(Int32Array, typed.value)]);
    case "uint8s":
      return Buffer.concat([...arrayOf(typed), Buffer.from(typed.value)]);
    case "bools":
      return Buffer.concat([...arrayOf(typed), Buffer.from(typed.value.map(Number))]);
  }
}

function arrayOf({ type, value }: Extract<GgufTyped, { value: readonly unknown[] }>): Buffer[] {
  return [uint32(ARRAY_ID), uint32(ITEM_IDS[type]), uint64(value.length)];
}

/** All machines that we run on are little-endian, as the file is. */
function numbers(
  array: Float32ArrayConstructor | Int32ArrayConstructor,
  values: readonly number[],
): Buffer {
  return Buffer.from(new array(values).buffer);
}

export function formatText(value: string): Buffer {
  const bytes = Buffer.byteLength(value);
  const result = Buffer.allocUnsafe(8 + bytes);
  result.writeBigUInt64LE(BigInt(bytes));
  result.write(value, 8);
  return result;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function uint64(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
