import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import path from "node:path";
import { checkpointFiles, isSafetensorsName } from "../core/checkpoint-files.ts";
import { messageOf } from "../core/errors.ts";
import type { Waiting } from "../core/ports.ts";
import { splitNames } from "../core/split-names.ts";
import { ConvertedSource } from "./convert/converted-source.ts";
import { planConversion } from "./convert/plan-conversion.ts";
import { BlobError, GgufError, systemCode } from "./errors.ts";
import { type Gguf, readGguf } from "./gguf.ts";
import { type GgufFacts, ggufFacts } from "./gguf-facts.ts";
import { type GgufSplit, type MergedGguf, planMerge } from "./gguf-merge.ts";

/** A model's bytes outside the store, as one GGUF file of them would be. */
export interface GgufSource {
  readonly facts: GgufFacts;
  readonly sizeBytes: number;
  /** Each is valid until the next one is taken. Can be read more than once. */
  chunks(o: Waiting): AsyncIterable<Uint8Array>;
}

const READ_BYTES = 1024 * 1024;

/** Of a file, or of all the parts that lie beside the one that is named; of a folder of safetensors, what they become. */
export async function openGgufSource(file: string, o: Waiting): Promise<GgufSource> {
  const folder = await checkpointFolder(file);
  if (folder !== undefined) return await openCheckpoint(folder, o);
  const gguf = await readHead(file, o);
  const facts = ggufFacts(gguf);
  if (facts.splitCount <= 1) return new WholeSource(file, facts, gguf.fileBytes);
  const splits: GgufSplit[] = [];
  for (const part of partsBeside(file, facts.splitCount)) {
    splits.push({ file: part, gguf: part === file ? gguf : await readHead(part, o) });
  }
  return new MergedSource(await planMerge(splits, (part) => part));
}

async function readHead(file: string, o: Waiting): Promise<Gguf> {
  try {
    return await readGguf(file, { verbose: false }, o);
  } catch (error) {
    throw sourceFailure(file, error);
  }
}

/** The folder itself, or that of a file of weights in it; undefined for anything else. */
async function checkpointFolder(file: string): Promise<string | undefined> {
  if (isSafetensorsName(file)) return path.dirname(file);
  const found = await stat(file).catch(() => undefined);
  return found?.isDirectory() ? file : undefined;
}

async function openCheckpoint(folder: string, o: Waiting): Promise<GgufSource> {
  try {
    const names = checkpointFiles(await readdir(folder));
    if (names.length === 0) {
      const message = `there is no .safetensors file in ${folder}: name a GGUF file, or a folder of safetensors.`;
      throw new BlobError("FILE_NOT_READABLE", message);
    }
    const files = names.map((name) => ({ name, file: path.join(folder, name) }));
    return new ConvertedSource(await planConversion({ files }, o));
  } catch (error) {
    throw sourceFailure(folder, error);
  }
}

function partsBeside(file: string, count: number): readonly string[] {
  const names = splitNames(path.basename(file)) ?? [];
  if (names.length === count) return names.map((name) => path.join(path.dirname(file), name));
  throw new GgufError(
    "SPLIT_INCOMPLETE",
    `${file} is one of ${count} parts of a model: put all of them into one folder, named as they were published (…-00001-of-0000N.gguf), and import one of them.`,
  );
}

class WholeSource implements GgufSource {
  readonly facts: GgufFacts;
  readonly sizeBytes: number;
  readonly #file: string;

  constructor(file: string, facts: GgufFacts, sizeBytes: number) {
    this.#file = file;
    this.facts = facts;
    this.sizeBytes = sizeBytes;
  }

  async *chunks({ signal }: Waiting): AsyncIterable<Uint8Array> {
    await using handle = await openFile(this.#file);
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    yield* readSpan(handle, buffer, 0, this.sizeBytes, signal);
    const { bytesRead } = await handle.read(buffer, 0, 1, this.sizeBytes);
    if (bytesRead > 0) throw changed();
  }
}

/** The parts of a split model as the one file that they are. */
export class MergedSource implements GgufSource {
  readonly #merged: MergedGguf;

  constructor(merged: MergedGguf) {
    this.#merged = merged;
  }

  get facts(): GgufFacts {
    return this.#merged.facts;
  }

  get sizeBytes(): number {
    return this.#merged.sizeBytes;
  }

  async *chunks({ signal }: Waiting): AsyncIterable<Uint8Array> {
    const { head, tensors } = this.#merged;
    yield head;
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    for (const { file, data, paddingBytes } of tensors) {
      await using handle = await openFile(file);
      yield* readSpan(handle, buffer, data.start, data.end, signal);
      if (paddingBytes > 0) yield Buffer.alloc(paddingBytes);
    }
  }
}

async function* readSpan(
  handle: FileHandle,
  buffer: Buffer,
  start: number,
  end: number,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  for (let position = start; position < end; ) {
    signal.throwIfAborted();
    const wanted = Math.min(buffer.length, end - position);
    const { bytesRead } = await handle.read(buffer, 0, wanted, position);
    if (bytesRead === 0) throw changed();
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

function changed(): BlobError {
  return new BlobError(
    "FILE_CHANGED",
    "The file was changed while it was read: import it again when it is finished.",
  );
}

async function openFile(file: string): Promise<FileHandle> {
  try {
    return await open(file, "r");
  } catch (error) {
    throw sourceFailure(file, error);
  }
}

function sourceFailure(file: string, error: unknown): unknown {
  const code = systemCode(error);
  if (code === undefined || !/^E[A-Z]+$/.test(code)) return error;
  const reason = code === "ENOENT" ? "there is no such file" : messageOf(error);
  return new BlobError("FILE_NOT_READABLE", `Cannot read ${file}: ${reason}.`, { cause: error });
}
