import { open, readFile, rename, rm } from "node:fs/promises";
import path from "node:path";

/** Undefined when there is no such file; longer than `sizeBytesMax` is an error, so that nothing fills the memory. */
export async function readStateFile(
  file: string,
  sizeBytesMax: number,
): Promise<Buffer | undefined> {
  try {
    const bytes = await readFile(file);
    if (bytes.length > sizeBytesMax) {
      throw new RangeError(`${bytes.length} bytes, more than ${sizeBytesMax}`);
    }
    return bytes;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** Whole or not at all, also when the power goes: a new file, synced, renamed, and the folder synced. Mode 0600. */
export async function writeStateFile(file: string, bytes: string | Uint8Array): Promise<void> {
  const temporary = `${file}.new`;
  // A leftover of a crash may have another mode: `wx` makes the mode ours.
  await rm(temporary, { force: true });
  const handle = await open(temporary, "wx", 0o600);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
  const folder = await open(path.dirname(file), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
