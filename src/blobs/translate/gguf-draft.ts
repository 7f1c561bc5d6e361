import { formatText, formatValue, type GgufTyped } from "../convert/gguf-head.ts";
import { alignUp, type Gguf, type Span } from "../gguf.ts";
import { headBeginning, readSpans } from "../gguf-merge.ts";
import { tensorBytes } from "../gguf-types.ts";

/** Bytes of the file that it is made from, or so many zeros. */
export type Part = (Span & { readonly typeId: number }) | { readonly zeroBytes: number };

export interface DraftTensor {
  readonly typeId: number;
  /** The length of a row first. */
  readonly shape: readonly number[];
  /** One after the other. Where one has another type than the tensor, its values are converted. */
  readonly parts: readonly Part[];
  /** Set: the rows of each of so many heads are put into llama.cpp's order (see interleaveHalves). */
  readonly heads?: number;
}

/** ggml's numbers (see gguf-types.ts). */
export const F32 = 0;
const ALIGNMENT = 32;
const VERSION = 3;
/** Other places for the same values would be of no use: the default is what is written. */
const ALIGNMENT_KEY = "general.alignment";

const READERS: Readonly<
  Record<number, { bytes: number; read: (b: Buffer, at: number) => number }>
> = {
  0: { bytes: 1, read: (b, at) => b.readUInt8(at) },
  1: { bytes: 1, read: (b, at) => b.readInt8(at) },
  2: { bytes: 2, read: (b, at) => b.readUInt16LE(at) },
  3: { bytes: 2, read: (b, at) => b.readInt16LE(at) },
  4: { bytes: 4, read: (b, at) => b.readUInt32LE(at) },
  5: { bytes: 4, read: (b, at) => b.readInt32LE(at) },
  6: { bytes: 4, read: (b, at) => b.readFloatLE(at) },
  7: { bytes: 1, read: (b, at) => b.readUInt8(at) },
  10: { bytes: 8, read: (b, at) => Number(b.readBigUInt64LE(at)) },
  11: { bytes: 8, read: (b, at) => Number(b.readBigInt64LE(at)) },
  12: { bytes: 8, read: (b, at) => b.readDoubleLE(at) },
};
const STRING = 8;
const ARRAY = 9;
const ITEMS_AT = 16;

/** The head of a GGUF file while it is changed, and where the data of its tensors comes from. Values stay bytes until asked for. */
export class GgufDraft {
  /** Each with its type before it. */
  readonly #keys: Map<string, Buffer>;
  #tensors: Map<string, DraftTensor>;

  private constructor(keys: Map<string, Buffer>, tensors: Map<string, DraftTensor>) {
    this.#keys = keys;
    this.#tensors = tensors;
  }

  static empty(): GgufDraft {
    return new GgufDraft(new Map(), new Map());
  }

  static async read(file: string, { places, tensors }: Gguf): Promise<GgufDraft> {
    const keys = new Map<string, Buffer>();
    const names = [...places.keys.keys()];
    for (const [i, bytes] of (await readSpans(file, [...places.keys.values()])).entries()) {
      const name = names[i] ?? "";
      if (name !== ALIGNMENT_KEY) keys.set(name, bytes.subarray(8 + Buffer.byteLength(name)));
    }
    const drafted = new Map<string, DraftTensor>();
    const entries = tensors.map(({ name }) => places.entries.get(name) as Span);
    for (const [i, entry] of (await readSpans(file, entries)).entries()) {
      const { name = "", shape = [] } = tensors[i] ?? {};
      const typeId = entry.readUInt32LE(entry.length - 12);
      const { start = 0, end = Number.NaN } = places.data.get(name) ?? {};
      drafted.set(name, { typeId, shape, parts: [{ start, end, typeId }] });
    }
    return new GgufDraft(keys, drafted);
  }

  clone(): GgufDraft {
    return new GgufDraft(new Map(this.#keys), new Map(this.#tensors));
  }

  get architecture(): string {
    return this.text("general.architecture") ?? "";
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  text(key: string): string | undefined {
    const bytes = this.#keys.get(key);
    if (bytes?.readUInt32LE(0) !== STRING) return undefined;
    return bytes.toString("utf8", 12);
  }

  number(key: string): number | undefined {
    const bytes = this.#keys.get(key);
    return bytes && READERS[bytes.readUInt32LE(0)]?.read(bytes, 4);
  }

  numbers(key: string): readonly number[] | undefined {
    const bytes = this.#keys.get(key);
    if (bytes?.readUInt32LE(0) !== ARRAY) return undefined;
    const item = READERS[bytes.readUInt32LE(4)];
    if (!item) return undefined;
    return Array.from({ length: this.#length(bytes) }, (_, i) =>
      item.read(bytes, ITEMS_AT + i * item.bytes),
    );
  }

  strings(key: string): readonly string[] | undefined {
    const bytes = this.#keys.get(key);
    if (bytes?.readUInt32LE(0) !== ARRAY || bytes.readUInt32LE(4) !== STRING) return undefined;
    let at = ITEMS_AT;
    return Array.from({ length: this.#length(bytes) }, () => {
      const start = at + 8;
      at = start + Number(bytes.readBigUInt64LE(at));
      return bytes.toString("utf8", start, at);
    });
  }

  set(key: string, typed: GgufTyped): void {
    this.#keys.set(key, formatValue(typed));
  }

  setMissing(key: string, typed: GgufTyped): void {
    if (!this.has(key)) this.set(key, typed);
  }

  remove(key: string): void {
    this.#keys.delete(key);
  }

  /** Nothing where there is none of that name. */
  copyKey(from: string, to: string, source: GgufDraft = this): void {
    const value = source.#keys.get(from);
    if (value) this.#keys.set(to, value);
  }

  /** All that begin so. */
  renameKeys(from: string, to: string): void {
    for (const [key, value] of [...this.#keys]) {
      if (!key.startsWith(from)) continue;
      this.#keys.delete(key);
      this.#keys.set(to + key.slice(from.length), value);
    }
  }

  /** The first so many of a list. */
  shorten(key: string, length: number): void {
    const bytes = this.#keys.get(key);
    if (bytes?.readUInt32LE(0) !== ARRAY || this.#length(bytes) <= length) return;
    const type = bytes.readUInt32LE(4);
    let end = ITEMS_AT + length * (READERS[type]?.bytes ?? 0);
    for (let i = 0; type === STRING && i < length; i++) {
      end += 8 + Number(bytes.readBigUInt64LE(end));
    }
    const shortened = Buffer.from(bytes.subarray(0, end));
    shortened.writeBigUInt64LE(BigInt(length), 8);
    this.#keys.set(key, shortened);
  }

  tensor(name: string): DraftTensor | undefined {
    return this.#tensors.get(name);
  }

  tensorNames(): string[] {
    return [...this.#tensors.keys()];
  }

  hasTensors(prefix: string): boolean {
    return this.tensorNames().some((name) => name.startsWith(prefix));
  }

  put(name: string, tensor: DraftTensor): void {
    this.#tensors.set(name, tensor);
  }

  /** Those that begin so. */
  copyTensors(to: GgufDraft, prefixes: readonly string[]): void {
    for (const [name, tensor] of this.#tensors) {
      if (prefixes.some((prefix) => name.startsWith(prefix))) to.put(name, tensor);
    }
  }

  drop(...prefixes: readonly string[]): void {
    for (const name of this.tensorNames()) {
      if (prefixes.some((prefix) => name.startsWith(prefix))) this.#tensors.delete(name);
    }
  }

  renameTensor(from: string, to: string): void {
    this.#renameTensors((name) => (name === from ? to : name));
  }

  /** In every name that has it, where it is first. */
  renameTensors(part: string, to: string): void {
    this.#renameTensors((name) => name.replace(part, to));
  }

  /** Up to where the data of its first tensor begins: each has its place at the next 32 bytes after the one before. */
  head(): Buffer {
    const parts: Buffer[] = [headBeginning(VERSION, this.#tensors.size, this.#keys.size)];
    for (const [key, value] of this.#keys) parts.push(formatText(key), value);
    let offset = 0;
    for (const [name, tensor] of this.#tensors) {
      const { shape, typeId } = tensor;
      const entry = Buffer.alloc(4 + 8 * shape.length + 12);
      entry.writeUInt32LE(shape.length, 0);
      for (const [i, size] of shape.entries()) entry.writeBigUInt64LE(BigInt(size), 4 + 8 * i);
      entry.writeUInt32LE(typeId, entry.length - 12);
      entry.writeBigUInt64LE(BigInt(offset), entry.length - 8);
      parts.push(formatText(name), entry);
      offset = alignUp(offset + sizeOf(tensor), ALIGNMENT);
    }
    const head = Buffer.concat(parts);
    return Buffer.concat([head], alignUp(head.length, ALIGNMENT));
  }

  /** Each with the zeros that follow it. */
  *data(): Iterable<{ readonly tensor: DraftTensor; readonly paddingBytes: number }> {
    for (const tensor of this.#tensors.values()) {
      const sizeBytes = sizeOf(tensor);
      yield { tensor, paddingBytes: alignUp(sizeBytes, ALIGNMENT) - sizeBytes };
    }
  }

  /** Of all of it. */
  fileBytes(): number {
    let sizeBytes = this.head().length;
    for (const { tensor, paddingBytes } of this.data()) sizeBytes += sizeOf(tensor) + paddingBytes;
    return sizeBytes;
  }

  /** Each keeps its place: what is read is read from front to back. */
  #renameTensors(rename: (name: string) => string): void {
    this.#tensors = new Map([...this.#tensors].map(([name, tensor]) => [rename(name), tensor]));
  }

  #length(bytes: Buffer): number {
    return Number(bytes.readBigUInt64LE(8));
  }
}

/** Of types whose blocks we do not know the parts tell. */
function sizeOf({ typeId, shape, parts }: DraftTensor): number {
  return (
    tensorBytes(typeId, shape) ??
    parts.reduce((sum, part) => sum + ("start" in part ? part.end - part.start : part.zeroBytes), 0)
  );
}
