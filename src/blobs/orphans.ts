import { readdir, rm, rmdir } from "node:fs/promises";
import path from "node:path";
import type { BlobDigest } from "../core/digest.ts";
import { blobsOf, parseManifest } from "../core/manifest.ts";
import type { Waiting } from "../core/ports.ts";
import { systemCode, writeFailure } from "./errors.ts";
import { blobPath, type Layout } from "./layout.ts";
import { listManifests, readManifestBytes } from "./manifests.ts";

/**
 * Removes those of the blobs that no manifest names any more, as Ollama does, and says how many. A manifest that cannot be
 * read may name any of them: then all stay.
 */
export async function removeOrphans(
  layout: Layout,
  gone: Iterable<BlobDigest>,
  o: Waiting,
): Promise<number> {
  const needed = await neededBlobs(layout, o);
  if (!needed) return 0;
  let removed = 0;
  for (const digest of new Set(gone)) {
    if (needed.has(digest)) continue;
    await removeFile(layout, blobPath(layout, digest));
    removed++;
  }
  return removed;
}

async function neededBlobs(
  layout: Layout,
  o: Waiting,
): Promise<ReadonlySet<BlobDigest> | undefined> {
  const { files, problems } = await listManifests(layout);
  if (problems.size > 0) return undefined;
  const needed = new Set<BlobDigest>();
  for (const file of files) {
    try {
      const manifest = parseManifest(await readManifestBytes(file.path, o));
      for (const { digest } of blobsOf(manifest)) needed.add(digest);
    } catch (error) {
      o.signal.throwIfAborted();
      if (systemCode(error) !== "ENOENT") return undefined;
    }
  }
  return needed;
}

/** Removes a manifest and the folders that are empty then. */
export async function removeManifest(layout: Layout, file: string): Promise<void> {
  await removeFile(layout, file);
  for (let dir = path.dirname(file); dir !== layout.manifestsDir; dir = path.dirname(dir)) {
    // Somebody may put another one there meanwhile: then it is not empty, and stays.
    if ((await readdir(dir)).length > 0) return;
    try {
      await rmdir(dir);
    } catch (error) {
      if (systemCode(error) === "ENOTEMPTY" || systemCode(error) === "ENOENT") return;
      throw writeFailure(error, layout.dir);
    }
  }
}

async function removeFile(layout: Layout, file: string): Promise<void> {
  try {
    await rm(file, { force: true });
  } catch (error) {
    throw writeFailure(error, layout.dir);
  }
}
