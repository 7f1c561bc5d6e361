import { constants } from "node:fs";
import { access, mkdir, readdir } from "node:fs/promises";
import path from "node:path";
import { notReadable, notWritable, systemCode } from "./errors.ts";
import type { Layout } from "./layout.ts";

export interface FolderAccess {
  /** What forbids writing; unset when writing is allowed. */
  readonly notWritable?: unknown;
}

/**
 * Makes the models folder when it is missing. One that may only be read is served as it is, also when it lacks one of its two
 * parts; one that can neither be made nor read is an error.
 */
export async function openModelsFolder(layout: Layout): Promise<FolderAccess> {
  const failure = await firstFailure(async () => {
    for (const dir of [layout.blobsDir, layout.manifestsDir]) {
      await makeFolder(dir);
      await access(dir, constants.W_OK | constants.X_OK);
    }
  });
  if (failure !== undefined && (await isMissing(layout.dir)))
    throw notWritable(layout.dir, failure);
  const unreadable = await firstFailure(async () => {
    await readdir(layout.dir);
    for (const dir of [layout.blobsDir, layout.manifestsDir]) {
      if (!(await isMissing(dir))) await readdir(dir);
    }
  });
  if (unreadable !== undefined) throw notReadable(layout.dir, unreadable);
  return failure === undefined ? {} : { notWritable: failure };
}

/** Step by step, since Node's own recursive mkdir never returns below /proc, where it is told ENOENT for ever. */
async function makeFolder(dir: string): Promise<void> {
  const failure = systemCode(await firstFailure(() => mkdir(dir, 0o755)));
  if (failure === "EEXIST" || failure === undefined) return;
  if (failure === "ENOENT" && path.dirname(dir) !== dir) await makeFolder(path.dirname(dir));
  const again = await firstFailure(() => mkdir(dir, 0o755));
  if (again !== undefined && systemCode(again) !== "EEXIST") throw again;
}

async function isMissing(dir: string): Promise<boolean> {
  return systemCode(await firstFailure(() => access(dir))) === "ENOENT";
}

async function firstFailure(action: () => Promise<unknown>): Promise<unknown> {
  try {
    await action();
    return undefined;
  } catch (error) {
    return error;
  }
}
