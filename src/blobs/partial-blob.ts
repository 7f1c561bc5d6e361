import { createHash, type Hash, randomUUID } from "node:crypto";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { type BlobDigest, formatDigest, parseBlobDigest } from "../core/digest.ts";
import type { PartialBlob, Waiting } from "../core/ports.ts";
import { BlobError, systemCode, writeFailure } from "./errors.ts";
import { blobPath, type Layout, partialName } from "./layout.ts";

/** A blob that is being written under a name of ours, hashed on the way, and renamed into place when it is whole. */
export class PartialBlobFile implements PartialBlob {
  readonly #layout: Layout;
  readonly #handle: FileHandle;
  readonly #path: string;
  readonly #expected: BlobDigest | undefined;
  readonly #hash: Hash = createHash("sha256");
  #sizeBytes = 0;
  #writing = false;
  #open = true;

  private constructor(layout: Layout, file: string, handle: FileHandle, expected?: BlobDigest) {
    this.#layout = layout;
    this.#path = file;
    this.#handle = handle;
    this.#expected = expected;
  }

  static async open(layout: Layout, expected?: BlobDigest): Promise<PartialBlobFile> {
    const file = path.join(layout.blobsDir, partialName(randomUUID().replaceAll("-", "")));
    try {
      return new PartialBlobFile(layout, file, await open(file, "wx", 0o644), expected);
    } catch (error) {
      throw writeFailure(error, layout.dir);
    }
  }

  /** One at a time: bytes go to the end in the order of the calls. */
  async write(bytes: Uint8Array, { signal }: Waiting): Promise<void> {
    if (this.#writing || !this.#open) throw new Error("write to a partial blob that is not idle");
    signal.throwIfAborted();
    this.#writing = true;
    try {
      for (let written = 0; written < bytes.length; ) {
        const rest = bytes.subarray(written);
        written += (await this.#handle.write(rest, 0, rest.length, null)).bytesWritten;
      }
    } catch (error) {
      throw writeFailure(error, this.#layout.dir);
    } finally {
      this.#writing = false;
    }
    this.#hash.update(bytes);
    this.#sizeBytes += bytes.length;
  }

  async commit({ signal }: Waiting): Promise<BlobDigest> {
    if (this.#writing || !this.#open) throw new Error("commit of a partial blob that is not idle");
    signal.throwIfAborted();
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
    try {
      await this.#handle.sync();
      await this.#close();
      if (await hasSize(target, this.#sizeBytes)) await rm(this.#path, { force: true });
      else await rename(this.#path, target);
      await syncFolder(this.#layout.blobsDir);
    } catch (error) {
      throw writeFailure(error, this.#layout.dir);
    }
    return digest;
  }

  /** After a commit there is nothing left to remove. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    await rm(this.#path, { force: true });
  }

  async #close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#handle.close();
  }
}

async function hasSize(file: string, sizeBytes: number): Promise<boolean> {
  try {
    const stats = await stat(file);
    return stats.isFile() && stats.size === sizeBytes;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return false;
    throw error;
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
