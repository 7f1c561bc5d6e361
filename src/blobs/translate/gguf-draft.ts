import {
  formatBeginning,
  formatEntry,
  formatText,
  formatValue,
  GGUF_ALIGNMENT,
  type GgufTyped,
} from "../convert/gguf-head.ts";
import { ARRAY_TYPE, alignUp, type Gguf, SCALARS, type Span, STRING_TYPE } from "../gguf.ts";
import { readSpans } from "../gguf-merge.ts";
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
/** Other places for the same values would be of no use: the default is what is written. */
const ALIGNMENT_KEY = "general.alignment";

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

  get architecture(): string {
    return this.text("general.architecture") ?? "";
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  text(key: string): string | undefined {
    const bytes = this.#keys.get(key);
    if (bytes?.readUInt32LE(0) !== STRING_TYPE) return undefined;
    return bytes.toString("utf8", 12);
  }

  number(key: string): number | undefined {
    const bytes = this.#keys.get(key);
    const scalar = bytes && SCALARS[bytes.readUInt32LE(0)];
    return scalar && Number(scalar.read(bytes.subarray(4)));
  }

  numbers(key: string): readonly number[] | undefined {
    const bytes = this.#keys.get(key);
    if (bytes?.readUInt32LE(0) !== ARRAY_TYPE) return undefined;
    const item = SCALARS[bytes.readUInt32LE(4)];
    if (!item) return undefined;
    return Array.from({ length: this.#length(bytes) }, (_, i) =>
      Number(item.read(bytes.subarray(ITEMS_AT + i * item.bytes))),
    );
  }

  strings(key: string): readonly string[] | undefined {
    const bytes = this.#keys.get(key);
    if (bytes?.readUInt32LE(0) !== ARRAY_TYPE || bytes.readUInt32LE(4) !== STRING_TYPE)
      return undefined;
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
    if (bytes?.readUInt32LE(0) !== ARRAY_TYPE || this.#length(bytes) <= length) return;
    const type = bytes.readUInt32LE(4);
    let end = ITEMS_AT + length * (SCALARS[type]?.bytes ?? 0);
    for (let i = 0; type === STRING_TYPE && i < length; i++) {
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
    const parts: Buffer[] = [formatBeginning(this.#tensors.size, this.#keys.size)];
    for (const [key, value] of this.#keys) parts.push(formatText(key), value);
    let offset = 0;
    for (const [name, tensor] of this.#tensors) {
      parts.push(formatEntry({ ...tensor, name, offset }));
      offset = alignUp(offset + sizeOf(tensor), GGUF_ALIGNMENT);
    }
    const head = Buffer.concat(parts);
    return Buffer.concat([head], alignUp(head.length, GGUF_ALIGNMENT));
  }

  /** Each with the zeros that follow it. */
  *data(): Iterable<{ readonly tensor: DraftTensor; readonly paddingBytes: number }> {
    for (const tensor of this.#tensors.values()) {
      const sizeBytes = sizeOf(tensor);
      yield { tensor, paddingBytes: alignUp(sizeBytes, GGUF_ALIGNMENT) - sizeBytes };
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
