import { createHash } from "node:crypto";
import { type FileHandle, open, readdir } from "node:fs/promises";
import { type BlobDigest, manifestDigestOf, parseBlobDigest } from "../core/digest.ts";
import { messageOf } from "../core/errors.ts";
import { formatManifest } from "../core/manifest.ts";
import type { ModelRecord } from "../core/model.ts";
import { type ModelName, parseModelName } from "../core/model-name.ts";
import type { Waiting } from "../core/ports.ts";
import { expectSpace } from "./disk-space.ts";
import { BlobError, GgufError, systemCode } from "./errors.ts";
import { readGguf } from "./gguf.ts";
import { type GgufFacts, ggufFacts } from "./gguf-facts.ts";
import { formatModelConfig } from "./model-config.ts";
import type { ModelStore } from "./model-store.ts";

export interface GgufImport {
  readonly file: string;
  /** As a user writes it: the defaults are added. */
  readonly name: string;
}

export interface ImportWaiting extends Waiting {
  /** Begins again from 0 in the one case where a blob of the same size turned out to be another one. */
  readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
}

const READ_BYTES = 1024 * 1024;
/** For the config, the manifest and what the file system needs itself. */
const SPARE_BYTES = 256 * 1024;

/**
 * Puts a GGUF file into the store under a name. Everything that can be known beforehand is checked first; the manifest is
 * written last. Whatever stops it leaves no manifest and no half-written file. A file that is here already is not copied.
 */
export async function importGguf(
  store: ModelStore,
  { file, name: nameText }: GgufImport,
  o: ImportWaiting,
): Promise<ModelRecord> {
  const name = parseModelName(nameText);
  if (!name) {
    throw new BlobError(
      "INVALID_MODEL_NAME",
      `invalid model name ${JSON.stringify(nameText.slice(0, 200))}: use [host/][namespace/]model[:tag] with letters, digits, "_", "-" and "."`,
    );
  }
  const facts = await readFacts(file, o);
  await using source = await openSource(file);
  const sizeBytes = (await source.stat()).size;
  const model =
    (await alreadyHere(store, source, sizeBytes, o)) ?? (await copy(store, source, sizeBytes, o));
  return await finish(store, name, facts, { digest: model, sizeBytes }, o);
}

async function readFacts(file: string, o: Waiting): Promise<GgufFacts> {
  let facts: GgufFacts;
  try {
    facts = ggufFacts(await readGguf(file, { verbose: false }, o));
  } catch (error) {
    throw sourceFailure(file, error);
  }
  if (facts.splitCount > 1) {
    throw unusable(
      file,
      "SPLIT_NOT_SUPPORTED",
      "it is one of several parts; merge them with `llama-gguf-split --merge`",
    );
  }
  if (facts.architecture === "") throw unusable(file, "MALFORMED", "it names no architecture");
  if (facts.parameterCount === 0) throw unusable(file, "MALFORMED", "it has no weights");
  return facts;
}

function unusable(file: string, code: GgufError["code"], reason: string): GgufError {
  return new GgufError(code, `${file} is no usable GGUF file: ${reason}.`, { details: { file } });
}

async function openSource(file: string): Promise<FileHandle> {
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

/** Reading a file twice is worth it only when there is a blob that it may be. */
async function alreadyHere(
  store: ModelStore,
  source: FileHandle,
  sizeBytes: number,
  o: ImportWaiting,
): Promise<BlobDigest | undefined> {
  if (!(await hasBlobOfSize(store, sizeBytes))) return undefined;
  const hash = createHash("sha256");
  for await (const bytes of chunksOf(source, sizeBytes, o)) hash.update(bytes);
  const digest = parseBlobDigest(hash.digest("hex"));
  const found = digest && (await store.stat(digest));
  return found?.sizeBytes === sizeBytes ? digest : undefined;
}

async function hasBlobOfSize(store: ModelStore, sizeBytes: number): Promise<boolean> {
  const { blobsDir } = store.layout;
  for (const name of await readdir(blobsDir)) {
    const digest = parseBlobDigest(name);
    if (digest && (await store.stat(digest))?.sizeBytes === sizeBytes) return true;
  }
  return false;
}

async function copy(
  store: ModelStore,
  source: FileHandle,
  sizeBytes: number,
  o: ImportWaiting,
): Promise<BlobDigest> {
  await using partial = await store.create(o);
  await expectSpace(store.layout.blobsDir, sizeBytes + SPARE_BYTES, "The import");
  for await (const bytes of chunksOf(source, sizeBytes, o)) await partial.write(bytes, o);
  return await partial.commit(o);
}

/** The whole file; an error when it has become shorter or longer since its header was checked. */
async function* chunksOf(
  source: FileHandle,
  sizeBytes: number,
  { signal, onProgress }: ImportWaiting,
): AsyncIterable<Uint8Array> {
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  let doneBytes = 0;
  onProgress?.(doneBytes, sizeBytes);
  for (;;) {
    signal.throwIfAborted();
    const { bytesRead } = await source.read(buffer, 0, buffer.length, doneBytes);
    doneBytes += bytesRead;
    if (doneBytes > sizeBytes || (bytesRead === 0 && doneBytes < sizeBytes)) {
      throw new BlobError(
        "FILE_CHANGED",
        "The file was changed while it was read: import it again when it is finished.",
      );
    }
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    onProgress?.(doneBytes, sizeBytes);
  }
}

async function finish(
  store: ModelStore,
  name: ModelName,
  facts: GgufFacts,
  model: { readonly digest: BlobDigest; readonly sizeBytes: number },
  o: Waiting,
): Promise<ModelRecord> {
  const config = formatModelConfig(facts, model.digest);
  await using partial = await store.create(o);
  await partial.write(config, o);
  const configDigest = await partial.commit(o);
  const manifest = formatManifest({
    config: { digest: configDigest, sizeBytes: config.length },
    layers: [{ kind: "model", ...model }],
  });
  await store.rescan();
  if (store.find(name)?.manifest !== manifestDigestOf(manifest)) await store.put(name, manifest, o);
  const record = store.find(name);
  if (record?.manifest === manifestDigestOf(manifest)) return record;
  throw new BlobError(
    "BLOB_CHANGED",
    `The model was imported, but another program changed it in ${store.layout.dir} at once: import it again.`,
  );
}
