import { randomUUID } from "node:crypto";
import type { Dirent } from "node:fs";
import { mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { messageOf } from "../core/errors.ts";
import { MANIFEST_BYTES_MAX } from "../core/manifest.ts";
import type { ModelName } from "../core/model-name.ts";
import type { Waiting } from "../core/ports.ts";
import { BlobError, systemCode, writeFailure } from "./errors.ts";
import { type Layout, manifestPath, nameOfParts, partialName } from "./layout.ts";
import { syncFolder } from "./partial-blob.ts";

export interface ManifestFile {
  readonly name: ModelName;
  readonly path: string;
}

export interface ManifestTree {
  readonly files: readonly ManifestFile[];
  /** Every folder that was looked into: what to watch. */
  readonly dirs: readonly string[];
  /** By path: what could not be looked into, and why. */
  readonly problems: ReadonlyMap<string, string>;
}

const LEVELS = 4;
const ENTRIES_MAX = 50_000;

/**
 * Every file on the level of tags whose place is a valid name. Links are followed, as Ollama does; with a fixed depth and a
 * maximum number of entries, a link to a folder above ends like any other.
 */
export async function listManifests(layout: Layout): Promise<ManifestTree> {
  const files: ManifestFile[] = [];
  const dirs: string[] = [];
  const problems = new Map<string, string>();
  let entries = 0;
  let level: string[][] = [[]];
  for (let depth = 1; depth <= LEVELS; depth++) {
    const below: string[][] = [];
    for (const parts of level) {
      const dir = path.join(layout.manifestsDir, ...parts);
      const found = await entriesOf(dir, problems);
      if (!found) continue;
      dirs.push(dir);
      entries += found.length;
      if (entries > ENTRIES_MAX) {
        problems.set(layout.manifestsDir, `more than ${ENTRIES_MAX} entries: the rest is ignored`);
        return { files, dirs, problems };
      }
      for (const entry of found) {
        const place = [...parts, entry.name];
        if (depth < LEVELS) {
          if (entry.isDirectory() || entry.isSymbolicLink()) below.push(place);
          continue;
        }
        const name = nameOfParts(place);
        if (name && !entry.isDirectory()) files.push({ name, path: path.join(dir, entry.name) });
      }
    }
    level = below;
  }
  return { files, dirs, problems };
}

/** In the order of their names; undefined when it is no folder, is gone by now, or may not be read. */
async function entriesOf(
  dir: string,
  problems?: Map<string, string>,
): Promise<Dirent[] | undefined> {
  try {
    const entries = await readdir(dir, { withFileTypes: true });
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    const code = systemCode(error) ?? "";
    if (NO_FOLDER_CODES.has(code)) return undefined;
    if (!problems || code !== "EACCES") throw error;
    problems.set(dir, messageOf(error));
    return undefined;
  }
}

const NO_FOLDER_CODES: ReadonlySet<string> = new Set(["ENOENT", "ENOTDIR", "ELOOP"]);

export async function readManifestBytes(file: string, { signal }: Waiting): Promise<Uint8Array> {
  const stats = await stat(file);
  if (!stats.isFile() || stats.size > MANIFEST_BYTES_MAX) {
    throw new BlobError("MANIFEST_INVALID", `it is no file of at most ${MANIFEST_BYTES_MAX} bytes`);
  }
  return readFile(file, { signal });
}

/**
 * The name with each part in the casing that it has on disk, since Ollama compares names without regard to case: a file of
 * another casing would be a second model of the same name.
 */
export async function existingCasing(layout: Layout, name: ModelName): Promise<ModelName> {
  const parts = [name.host, name.namespace, name.model, name.tag];
  let dir = layout.manifestsDir;
  for (const [index, part] of parts.entries()) {
    const names = ((await entriesOf(dir)) ?? []).map((entry) => entry.name);
    const same = names.filter((entry) => entry.toLowerCase() === part.toLowerCase());
    const chosen = same.includes(part) ? part : same[0];
    if (chosen === undefined) break;
    parts[index] = chosen;
    dir = path.join(dir, chosen);
  }
  return nameOfParts(parts) ?? name;
}

/** Writes the manifest's bytes as they are; readers see the old one or the new one. Returns where it lies. */
export async function putManifest(
  layout: Layout,
  name: ModelName,
  bytes: Uint8Array,
  { signal }: Waiting,
): Promise<string> {
  const target = manifestPath(layout, await existingCasing(layout, name));
  const id = randomUUID().replaceAll("-", "");
  const temporary = path.join(layout.manifestsDir, partialName(id));
  signal.throwIfAborted();
  try {
    await mkdir(path.dirname(target), { recursive: true });
    await writeSynced(temporary, bytes);
    await rename(temporary, target);
    for (let dir = path.dirname(target); dir !== layout.dir; dir = path.dirname(dir)) {
      await syncFolder(dir);
    }
  } catch (error) {
    await rm(temporary, { force: true });
    throw writeFailure(error, layout.dir);
  }
  return target;
}

async function writeSynced(file: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(file, "wx", 0o644);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
