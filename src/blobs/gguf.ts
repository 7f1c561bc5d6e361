import { type FileHandle, open, stat } from "node:fs/promises";
import { shortestFloat32 } from "../core/float32.ts";
import type { Waiting } from "../core/ports.ts";
import { GgufError } from "./errors.ts";
import { tensorBytes, tensorTypeName } from "./gguf-types.ts";
import { HeadReader } from "./head-reader.ts";

/**
 * Reads the head of a GGUF file (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little
 * endian): its metadata and the list of its tensors, never the tensors themselves. The file may come from anybody, so every
 * count is checked against what the file can hold before anything is allocated or looped over.
 */
export async function readGguf(
  path: string,
  options: { readonly verbose: boolean },
  { signal }: Waiting,
): Promise<Gguf> {
  // A named pipe would block the open itself.
  if (!(await stat(path)).isFile()) {
    throw new GgufError("NOT_GGUF", `${path} is not a regular file: give the path of a GGUF file.`);
  }
  const handle = await open(path, "r");
  try {
    return await parse(handle, options, signal);
  } catch (error) {
    if (!(error instanceof GgufError)) throw error;
    throw new GgufError(error.code, `${path} is no usable GGUF file: ${error.message}.`, {
      details: { path },
      cause: error,
    });
  } finally {
    await handle.close();
  }
}

export type GgufScalar = string | number | bigint | boolean;
export interface GgufArray {
  readonly length: number;
  /** Unset when the array is long and `verbose` was not asked for. */
  readonly values?: readonly GgufScalar[];
}
export type GgufValue = GgufScalar | GgufArray;

export interface GgufTensor {
  readonly name: string;
  readonly type: string;
  /** As the file has it: the length of a row first. */
  readonly shape: readonly number[];
}

/** From one byte up to and without another. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Where in the file things are: for who writes another file of it. */
export interface GgufPlaces {
  /** Of each key with its value. */
  readonly keys: ReadonlyMap<string, Span>;
  /** Of each tensor's entry in the head, by its name; an entry ends with the tensor's place. */
  readonly entries: ReadonlyMap<string, Span>;
  /** Of each tensor's data, by its name; without an end where its type is one that we do not know. */
  readonly data: ReadonlyMap<string, { readonly start: number; readonly end: number | undefined }>;
  readonly alignment: number;
}

export interface Gguf {
  readonly version: number;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: readonly GgufTensor[];
  readonly parameterCount: number;
  readonly fileBytes: number;
  readonly places: GgufPlaces;
}

/** Arrays up to here are kept also without `verbose`, as Ollama's /api/show does. */
export const SHORT_ARRAY_LENGTH_MAX = 5;

const VERSIONS: ReadonlySet<number> = new Set([2, 3]);
const KEYS_MAX = 10_000;
const TENSORS_MAX = 100_000;
const KEY_BYTES_MAX = 65_535;
const VALUE_BYTES_MAX = 16 * 1024 * 1024;
const TENSOR_NAME_BYTES_MAX = 512;
const ARRAY_LENGTH_MAX = 8_000_000;
const DIMENSIONS_MAX = 4;
const ALIGNMENT_DEFAULT = 32;
const ALIGNMENT_MAX = 1024 * 1024;
/** The least that a key with its value, and a tensor's entry, take. */
const KEY_BYTES_MIN = 8 + 4 + 1;
const TENSOR_BYTES_MIN = 8 + 4 + 4 + 8;

export const STRING_TYPE = 8;
export const ARRAY_TYPE = 9;
/** The value types of fixed size, by their numbers in the file. */
export const SCALARS: Readonly<Record<number, { bytes: number; read: (b: Buffer) => GgufScalar }>> =
  {
    0: { bytes: 1, read: (b) => b.readUInt8() },
    1: { bytes: 1, read: (b) => b.readInt8() },
    2: { bytes: 2, read: (b) => b.readUInt16LE() },
    3: { bytes: 2, read: (b) => b.readInt16LE() },
    4: { bytes: 4, read: (b) => b.readUInt32LE() },
    5: { bytes: 4, read: (b) => b.readInt32LE() },
    6: { bytes: 4, read: (b) => shortestFloat32(b.readFloatLE()) },
    7: { bytes: 1, read: (b) => b.readUInt8() !== 0 },
    10: { bytes: 8, read: (b) => narrowed(b.readBigUInt64LE()) },
    11: { bytes: 8, read: (b) => narrowed(b.readBigInt64LE()) },
    12: { bytes: 8, read: (b) => b.readDoubleLE() },
  };

async function parse(
  handle: FileHandle,
  options: { readonly verbose: boolean },
  signal: AbortSignal,
): Promise<Gguf> {
  const fileBytes = (await handle.stat()).size;
  const reader = new HeadReader(handle, fileBytes, signal);
  const version = await readVersion(reader, fileBytes);
  const tensorCount = await readCount(reader, "tensors", TENSORS_MAX, TENSOR_BYTES_MIN);
  const keyCount = await readCount(reader, "keys", KEYS_MAX, KEY_BYTES_MIN);

  const metadata = new Map<string, GgufValue>();
  const keys = new Map<string, Span>();
  for (let i = 0; i < keyCount; i++) {
    const start = reader.position;
    const key = await reader.string(KEY_BYTES_MAX);
    if (metadata.has(key)) throw new GgufError("MALFORMED", `it has the key ${quoted(key)} twice`);
    metadata.set(key, await readValue(reader, options.verbose));
    keys.set(key, { start, end: reader.position });
  }

  const entries: TensorEntry[] = [];
  for (let i = 0; i < tensorCount; i++) entries.push(await readTensor(reader));
  const alignment = alignmentOf(metadata);
  const dataStart = alignUp(reader.position, alignment);
  checkData(entries, dataStart, fileBytes);

  return {
    version,
    metadata,
    tensors: entries.map(({ name, typeId, shape }) => ({
      name,
      type: tensorTypeName(typeId),
      shape,
    })),
    parameterCount: entries.reduce((sum, { elements }) => sum + elements, 0),
    fileBytes,
    places: { keys, alignment, ...placesOf(entries, dataStart) },
  };
}

async function readVersion(reader: HeadReader, fileBytes: number): Promise<number> {
  if (fileBytes < 4) throw new GgufError("NOT_GGUF", `it has only ${fileBytes} bytes`);
  await reader.ensure(4);
  if (reader.take(4).toString("latin1") !== "GGUF") {
    throw new GgufError("NOT_GGUF", 'it does not begin with "GGUF", so it is another format');
  }
  const version = await reader.uint32();
  if (VERSIONS.has(version)) return version;
  const bigEndian = version > 0xffff;
  throw new GgufError(
    "UNSUPPORTED_VERSION",
    bigEndian
      ? "it is made for big-endian machines"
      : `it has version ${version} of the format, and versions 2 and 3 are supported: convert it with a current llama.cpp`,
  );
}

async function readCount(
  reader: HeadReader,
  what: string,
  countMax: number,
  bytesMin: number,
): Promise<number> {
  const count = await reader.size();
  reader.expect(count * bytesMin);
  if (count > countMax) {
    throw new GgufError("TOO_LARGE", `it has ${count} ${what}, more than the ${countMax} allowed`);
  }
  return count;
}

async function readValue(reader: HeadReader, verbose: boolean): Promise<GgufValue> {
  const type = await reader.uint32();
  if (type === STRING_TYPE) return reader.string(VALUE_BYTES_MAX);
  if (type === ARRAY_TYPE) return readArray(reader, verbose);
  const scalar = scalarOf(type);
  await reader.ensure(scalar.bytes);
  return scalar.read(reader.take(scalar.bytes));
}

async function readArray(reader: HeadReader, verbose: boolean): Promise<GgufArray> {
  const type = await reader.uint32();
  const length = await reader.size();
  const keep = verbose || length <= SHORT_ARRAY_LENGTH_MAX;
  if (type === STRING_TYPE) {
    checkArray(reader, length, 8);
    if (keep) return { length, values: await readStrings(reader, length) };
    for (let i = 0; i < length; i++) {
      if (!reader.has(8)) await reader.ensure(8);
      reader.skip(reader.takeSize());
    }
    return { length };
  }
  const scalar = scalarOf(type);
  checkArray(reader, length, scalar.bytes);
  if (!keep) {
    reader.skip(length * scalar.bytes);
    return { length };
  }
  const values: GgufScalar[] = [];
  for (let i = 0; i < length; i++) {
    if (!reader.has(scalar.bytes)) await reader.ensure(scalar.bytes);
    values.push(scalar.read(reader.take(scalar.bytes)));
  }
  return { length, values };
}

async function readStrings(reader: HeadReader, length: number): Promise<string[]> {
  const values: string[] = [];
  for (let i = 0; i < length; i++) values.push(await reader.string(VALUE_BYTES_MAX));
  return values;
}

function checkArray(reader: HeadReader, length: number, itemBytes: number): void {
  reader.expect(length * itemBytes);
  if (length > ARRAY_LENGTH_MAX) {
    throw new GgufError("TOO_LARGE", `it has a list of ${length} values in its header`);
  }
}

function scalarOf(type: number): { bytes: number; read: (b: Buffer) => GgufScalar } {
  const scalar = SCALARS[type];
  if (!scalar) throw new GgufError("MALFORMED", `it uses the value type ${type}, which is none`);
  return scalar;
}

interface TensorEntry {
  readonly name: string;
  readonly span: Span;
  readonly typeId: number;
  readonly shape: readonly number[];
  readonly elements: number;
  readonly offset: number;
}

async function readTensor(reader: HeadReader): Promise<TensorEntry> {
  const start = reader.position;
  const name = await reader.string(TENSOR_NAME_BYTES_MAX);
  const dimensions = await reader.uint32();
  if (dimensions > DIMENSIONS_MAX) {
    throw new GgufError("MALFORMED", `its tensor ${quoted(name)} has ${dimensions} dimensions`);
  }
  const shape: number[] = [];
  for (let i = 0; i < dimensions; i++) shape.push(await reader.size());
  const elements = shape.reduce((product, size) => product * size, 1);
  if (!Number.isSafeInteger(elements)) {
    throw new GgufError("MALFORMED", `its tensor ${quoted(name)} has the shape ${shape.join("×")}`);
  }
  const typeId = await reader.uint32();
  const offset = await reader.size();
  return { name, span: { start, end: reader.position }, typeId, shape, elements, offset };
}

function placesOf(
  all: readonly TensorEntry[],
  dataStart: number,
): Pick<GgufPlaces, "entries" | "data"> {
  return {
    entries: new Map(all.map(({ name, span }) => [name, span])),
    data: new Map(
      all.map(({ name, typeId, shape, offset }) => {
        const start = dataStart + offset;
        const sizeBytes = tensorBytes(typeId, shape);
        return [name, { start, end: sizeBytes === undefined ? undefined : start + sizeBytes }];
      }),
    ),
  };
}

function alignmentOf(metadata: ReadonlyMap<string, GgufValue>): number {
  const alignment = metadata.get("general.alignment") ?? ALIGNMENT_DEFAULT;
  const ok =
    typeof alignment === "number" &&
    alignment > 0 &&
    alignment <= ALIGNMENT_MAX &&
    Number.isInteger(Math.log2(alignment));
  if (!ok) throw new GgufError("MALFORMED", "its general.alignment is no power of two");
  return alignment;
}

export function alignUp(position: number, alignment: number): number {
  return Math.ceil(position / alignment) * alignment;
}

/** A file that was cut off loses tensors, not header: only their places tell. */
function checkData(entries: readonly TensorEntry[], dataStart: number, fileBytes: number): void {
  for (const { name, typeId, shape, offset } of entries) {
    const sizeBytes = tensorBytes(typeId, shape) ?? 0;
    if (Number.isNaN(sizeBytes)) {
      throw new GgufError(
        "MALFORMED",
        `its tensor ${quoted(name)} has rows of ${shape[0]} values, which ${tensorTypeName(typeId)} cannot hold`,
      );
    }
    const end = dataStart + offset + sizeBytes;
    if (end > fileBytes) {
      throw new GgufError(
        "TRUNCATED",
        `its tensor ${quoted(name)} ends at byte ${end}, and the file has ${fileBytes}: it was cut off, copy or download it again`,
      );
    }
  }
}

const NAME_LENGTH_SHOWN_MAX = 80;
function quoted(name: string): string {
  return JSON.stringify(name.slice(0, NAME_LENGTH_SHOWN_MAX));
}

/** A 64-bit integer as a number where that is exact. */
function narrowed(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
