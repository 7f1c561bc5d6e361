import { type FileHandle, open, rm } from "node:fs/promises";
import type { BlobId } from "../core/pieces.ts";
import { systemCode } from "./errors.ts";
import type { PieceFiles } from "./layout.ts";
import { readRecord, recordBytesMax, recordHead } from "./piece-record.ts";

/** The two open files of a blob that arrives in pieces. */
export interface OpenPieces {
  readonly data: FileHandle;
  readonly record: FileHandle;
  readonly recordBytes: number;
  readonly pieces: ReadonlySet<number>;
}

/** What an earlier run left; a new beginning when there is nothing, or nothing that can be trusted. */
export async function openFiles(files: PieceFiles, blob: BlobId): Promise<OpenPieces> {
  await using stack = new AsyncDisposableStack();
  const data = stack.use(await openOrMake(files.data));
  const record = stack.use(await openOrMake(files.record));
  const known = await knownPieces({ data, record }, blob);
  if (!known) await startAgain({ data, record }, blob);
  stack.move();
  const { pieces, lengthBytes } = known ?? {
    pieces: new Set<number>(),
    lengthBytes: recordHead(blob).length,
  };
  return { data, record, recordBytes: lengthBytes, pieces };
}

export async function removeFiles(files: PieceFiles): Promise<void> {
  // The record first: data without one counts for nothing.
  await rm(files.record, { force: true });
  await rm(files.data, { force: true });
}

async function knownPieces(
  { data, record }: Pick<OpenPieces, "data" | "record">,
  blob: BlobId,
): Promise<ReturnType<typeof readRecord>> {
  if ((await data.stat()).size !== blob.sizeBytes) return undefined;
  const { size } = await record.stat();
  if (size > recordBytesMax(blob)) return undefined;
  const bytes = Buffer.alloc(size);
  const { bytesRead } = await record.read(bytes, 0, size, 0);
  return bytesRead === size ? readRecord(bytes, blob) : undefined;
}

/** The record is empty before the data goes. */
async function startAgain(
  { data, record }: Pick<OpenPieces, "data" | "record">,
  blob: BlobId,
): Promise<void> {
  await record.truncate(0);
  await record.write(recordHead(blob), 0, null, 0);
  await record.datasync();
  await data.truncate(0);
  await data.truncate(blob.sizeBytes);
}

async function openOrMake(file: string): Promise<FileHandle> {
  try {
    return await open(file, "r+");
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
    return await open(file, "wx+", 0o644);
  }
}
