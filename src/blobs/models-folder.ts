import { constants } from "node:fs";
import { access, mkdir, readdir } from "node:fs/promises";
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
      await mkdir(dir, { recursive: true, mode: 0o755 });
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
