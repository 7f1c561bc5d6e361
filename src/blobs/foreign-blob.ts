import { randomUUID } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import path from "node:path";
import type { BlobDigest } from "../core/digest.ts";
import { writeFailure } from "./errors.ts";
import { blobPath, type Layout, partialName } from "./layout.ts";
import { syncFolder } from "./partial-blob.ts";

/** A blob that another process writes, under a name of ours; and that is renamed into place when it is whole. */
export class ForeignBlob implements AsyncDisposable {
  readonly path: string;
  readonly #layout: Layout;

  private constructor(layout: Layout, file: string) {
    this.#layout = layout;
    this.path = file;
  }

  /** There is an empty file then. */
  static async open(layout: Layout): Promise<ForeignBlob> {
    const file = path.join(layout.blobsDir, partialName(randomUUID().replaceAll("-", "")));
    try {
      await (await open(file, "wx", 0o644)).close();
      return new ForeignBlob(layout, file);
    } catch (error) {
      throw writeFailure(error, layout.dir);
    }
  }

  async place(digest: BlobDigest): Promise<void> {
    const layout = this.#layout;
    try {
      await rename(this.path, blobPath(layout, digest));
      await syncFolder(layout.blobsDir);
    } catch (error) {
      throw writeFailure(error, layout.dir);
    }
  }

  /** Once it is in its place there is nothing left to remove. */
  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { force: true });
  }
}
