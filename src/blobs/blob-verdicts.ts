import { readFile } from "node:fs/promises";
import { z } from "zod";
import { type BlobDigest, parseBlobDigest } from "../core/digest.ts";
import { systemCode } from "./errors.ts";

/** What reading a blob again has shown. Times are this machine's own. */
export interface Verdict {
  readonly atMs: number;
  readonly isSound: boolean;
  /** Of the file that was read: another one is judged anew. */
  readonly version: string;
}

export interface KnownBlob {
  readonly digest: BlobDigest;
  readonly version: string;
}

const VERDICTS_MAX = 100_000;
export const VERDICTS_BYTES_MAX = 32 * 1024 * 1024;

const schema = z.array(
  z.object({
    digest: z.string(),
    atMs: z.number(),
    isSound: z.boolean(),
    version: z.string().max(200),
  }),
);

/**
 * The blob to read next: one that was never read as it is now, in the order given; else the one whose verdict is oldest, once
 * it is older than the interval. Undefined when none is due. Damaged ones are not read again: they wait for another file.
 */
export function nextToVerify(
  blobs: readonly KnownBlob[],
  verdicts: ReadonlyMap<BlobDigest, Verdict>,
  nowMs: number,
  intervalMs: number,
): KnownBlob | undefined {
  let oldest: { readonly blob: KnownBlob; readonly atMs: number } | undefined;
  for (const blob of blobs) {
    const verdict = verdicts.get(blob.digest);
    if (verdict?.version !== blob.version) return blob;
    // A clock that was set back makes no verdict last longer than it should.
    const isDue = nowMs - verdict.atMs >= intervalMs || verdict.atMs > nowMs;
    if (!verdict.isSound || !isDue) continue;
    if (!oldest || verdict.atMs < oldest.atMs) oldest = { blob, atMs: verdict.atMs };
  }
  return oldest?.blob;
}

/** A file that is missing or damaged holds no verdicts: what it told is found out again. */
export async function readVerdicts(file: string): Promise<Map<BlobDigest, Verdict>> {
  const verdicts = new Map<BlobDigest, Verdict>();
  for (const { digest: text, ...verdict } of await rowsIn(file)) {
    const digest = parseBlobDigest(text);
    if (digest && verdicts.size < VERDICTS_MAX) verdicts.set(digest, verdict);
  }
  return verdicts;
}

async function rowsIn(file: string): Promise<z.output<typeof schema>> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw error;
  }
  if (bytes.length > VERDICTS_BYTES_MAX) return [];
  try {
    return schema.parse(JSON.parse(bytes.toString()));
  } catch {
    return [];
  }
}

export function formatVerdicts(verdicts: ReadonlyMap<BlobDigest, Verdict>): string {
  return JSON.stringify([...verdicts].map(([digest, verdict]) => ({ digest, ...verdict })));
}
