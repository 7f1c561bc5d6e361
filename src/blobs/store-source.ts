import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { type BlobDigest, parseBlobDigest } from "../core/digest.ts";
import type { Waiting } from "../core/ports.ts";
import { expectSpace } from "./disk-space.ts";
import type { GgufSource } from "./gguf-source.ts";
import type { ModelStore } from "./model-store.ts";

export interface StoredSource {
  readonly digest: BlobDigest;
  readonly isNew: boolean;
}

/** For the config, the manifest and what the file system needs itself. */
const SPARE_BYTES = 256 * 1024;

/**
 * Puts it into the store, unless it is there: then nothing is written. Yields how many bytes are done, and begins again from 0
 * in the one case where a blob of the same size turned out to be another one. `what` begins the sentence that tells of a disk
 * without room: The import.
 */
export async function* storeSource(
  store: ModelStore,
  source: GgufSource,
  what: string,
  o: Waiting,
): AsyncGenerator<number, StoredSource> {
  // Reading a file twice is worth it only when there is a blob that it may be.
  if (await hasBlobOfSize(store, source.sizeBytes)) {
    const digest = yield* digestOf(source, o);
    const found = await store.stat(digest);
    if (found?.sizeBytes === source.sizeBytes) return { digest, isNew: false };
  }
  await using partial = await store.create(o);
  await expectSpace(store.layout.blobsDir, source.sizeBytes + SPARE_BYTES, what);
  for await (const [bytes, doneBytes] of counted(source, o)) {
    if (bytes) await partial.write(bytes, o);
    yield doneBytes;
  }
  return { digest: await partial.commit(o), isNew: true };
}

async function hasBlobOfSize(store: ModelStore, sizeBytes: number): Promise<boolean> {
  const { blobsDir } = store.layout;
  for (const name of await readdir(blobsDir)) {
    const digest = parseBlobDigest(name);
    if (digest && (await store.stat(digest))?.sizeBytes === sizeBytes) return true;
  }
  return false;
}

async function* digestOf(source: GgufSource, o: Waiting): AsyncGenerator<number, BlobDigest> {
  const hash = createHash("sha256");
  for await (const [bytes, doneBytes] of counted(source, o)) {
    if (bytes) hash.update(bytes);
    yield doneBytes;
  }
  const digest = parseBlobDigest(hash.digest("hex"));
  if (!digest) throw new Error("SHA-256 gave no digest");
  return digest;
}

/** Its chunks, each with what is done when it is; before the first, that nothing is. */
async function* counted(
  source: GgufSource,
  o: Waiting,
): AsyncIterable<readonly [bytes: Uint8Array | undefined, doneBytes: number]> {
  let doneBytes = 0;
  yield [undefined, doneBytes];
  for await (const bytes of source.chunks(o)) {
    doneBytes += bytes.length;
    yield [bytes, doneBytes];
  }
}
