import { createHash, type Hash, randomUUID } from "node:crypto";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import path from "node:path";
import { type BlobDigest, formatDigest, parseBlobDigest } from "../core/digest.ts";
import type { BlobStore, PartialBlob, Waiting } from "../core/ports.ts";
import { BlobError, writeFailure } from "./errors.ts";
import { blobPath, type Layout, partialName } from "./layout.ts";

/** A blob that is being written under a name of ours, hashed on the way, and renamed into place when it is whole. */
export class PartialBlobFile implements PartialBlob {
  readonly #layout: Layout;
  readonly #handle: FileHandle;
  readonly #path: string;
  readonly #expected: BlobDigest | undefined;
  readonly #blobs: Pick<BlobStore, "stat">;
  readonly #hash: Hash = createHash("sha256");
  #sizeBytes = 0;
  #open = true;
  /** What runs now: disposal waits for it. */
  #running: Promise<unknown> | undefined;

  private constructor(
    layout: Layout,
    file: { readonly path: string; readonly handle: FileHandle },
    blobs: Pick<BlobStore, "stat">,
    expected?: BlobDigest,
  ) {
    this.#layout = layout;
    this.#path = file.path;
    this.#handle = file.handle;
    this.#blobs = blobs;
    this.#expected = expected;
  }

  /** `blobs` tells which are there already. */
  static async open(
    layout: Layout,
    blobs: Pick<BlobStore, "stat">,
    expected?: BlobDigest,
  ): Promise<PartialBlobFile> {
    const file = path.join(layout.blobsDir, partialName(randomUUID().replaceAll("-", "")));
    try {
      const handle = await open(file, "wx", 0o644);
      return new PartialBlobFile(layout, { path: file, handle }, blobs, expected);
    } catch (error) {
      throw writeFailure(error, layout.dir);
    }
  }

  /** One at a time: bytes go to the end in the order of the calls. */
  write(bytes: Uint8Array, o: Waiting): Promise<void> {
    return this.#exclusively(o, () => this.#append(bytes));
  }

  commit(o: Waiting): Promise<BlobDigest> {
    return this.#exclusively(o, () => this.#place());
  }

  /** After a commit there is nothing left to remove. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([this.#running]);
    await this.#close();
    await rm(this.#path, { force: true });
  }

  async #exclusively<T>({ signal }: Waiting, action: () => Promise<T>): Promise<T> {
    if (this.#running || !this.#open) throw new Error("a partial blob takes one call at a time");
    signal.throwIfAborted();
    const running = action();
    this.#running = running;
    try {
      return await running;
    } catch (error) {
      throw writeFailure(error, this.#layout.dir);
    } finally {
      this.#running = undefined;
    }
  }

  async #append(bytes: Uint8Array): Promise<void> {
    for (let written = 0; written < bytes.length; ) {
      const rest = bytes.subarray(written);
      written += (await this.#handle.write(rest, 0, rest.length, null)).bytesWritten;
    }
    this.#hash.update(bytes);
    this.#sizeBytes += bytes.length;
  }

  async #place(): Promise<BlobDigest> {
    const digest = parseBlobDigest(this.#hash.digest("hex"));
    if (!digest) throw new Error("SHA-256 gave no digest");
    if (this.#expected !== undefined && this.#expected !== digest) {
      throw new BlobError(
        "DIGEST_MISMATCH",
        `digest mismatch, expected "${formatDigest(this.#expected)}", got "${formatDigest(digest)}"`,
        { details: { expected: this.#expected, actual: digest } },
      );
    }
    const target = blobPath(this.#layout, digest);
    await this.#handle.sync();
    await this.#close();
    const found = await this.#blobs.stat(digest);
    if (found?.sizeBytes === this.#sizeBytes) await rm(this.#path, { force: true });
    else await rename(this.#path, target);
    await syncFolder(this.#layout.blobsDir);
    return digest;
  }

  async #close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#handle.close();
  }
}

/** Makes a rename last through a power failure. */
export async function syncFolder(dir: string): Promise<void> {
  const handle = await open(dir, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
