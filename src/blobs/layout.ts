import path from "node:path";
import { type BlobDigest, parseBlobDigest } from "../core/digest.ts";
import { formatFullName, type ModelName, parseModelName } from "../core/model-name.ts";

/**
 * Where things lie in a models folder, as Ollama lays them out:
 *
 *     blobs/sha256-<64 hex digits>
 *     manifests/<host>/<namespace>/<model>/<tag>
 *
 * Two kinds of files are ours alone, both written under another name and then renamed into place:
 * `blobs/ollamamax-<32 hex digits>.partial` and `manifests/ollamamax-<32 hex digits>.partial`. Ollama's own collector takes
 * whatever in `blobs` is no digest for an abandoned download and removes it after an hour; a file directly in `manifests` is
 * on no level where it looks for manifests.
 *
 * A blob that arrives in pieces is `blobs/ollamamax-<its digest>.partial`, to be found again after a restart, beside the
 * record of its pieces (`.pieces`) and the name of the process that writes it (`.lock`).
 */
export interface Layout {
  readonly dir: string;
  readonly blobsDir: string;
  readonly manifestsDir: string;
}

export function layoutOf(dir: string): Layout {
  const absolute = path.resolve(dir);
  return {
    dir: absolute,
    blobsDir: path.join(absolute, "blobs"),
    manifestsDir: path.join(absolute, "manifests"),
  };
}

/** The digest is checked again, although its type says that it is one: this is the last gate before the disk. */
export function blobPath(layout: Layout, digest: BlobDigest): string {
  if (parseBlobDigest(digest) !== digest) throw new Error(`not a digest: ${digest}`);
  return path.join(layout.blobsDir, `sha256-${digest}`);
}

/** As for digests: no part of a valid name is `.` or `..` or holds a separator. */
export function manifestPath(layout: Layout, name: ModelName): string {
  const checked = parseModelName(formatFullName(name));
  if (!checked) throw new Error(`not a model name: ${formatFullName(name)}`);
  return path.join(
    layout.manifestsDir,
    checked.host,
    checked.namespace,
    checked.model,
    checked.tag,
  );
}

/** The name that a manifest at `manifests/<host>/<namespace>/<model>/<tag>` stands for. */
export function nameOfParts(parts: readonly string[]): ModelName | undefined {
  const [host = "", namespace = "", model = "", tag = "", ...rest] = parts;
  if (rest.length > 0 || parts.some((part) => part.includes("/"))) return undefined;
  const name = parseModelName(`${host}/${namespace}/${model}:${tag}`);
  return name?.host === host && name.tag === tag ? name : undefined;
}

export interface PieceFiles {
  readonly data: string;
  readonly record: string;
  readonly lock: string;
}

export function pieceFiles(layout: Layout, digest: BlobDigest): PieceFiles {
  if (parseBlobDigest(digest) !== digest) throw new Error(`not a digest: ${digest}`);
  const stem = path.join(layout.blobsDir, `ollamamax-${digest}`);
  return { data: `${stem}.partial`, record: `${stem}.pieces`, lock: `${stem}.lock` };
}

const PIECE_FILE = /^ollamamax-[0-9a-f]{64}\.(?:partial|pieces|lock)$/;

export function isPieceFile(fileName: string): boolean {
  return PIECE_FILE.test(fileName);
}

const PARTIAL = /^ollamamax-[0-9a-f]{32}\.partial$/;

export function partialName(id: string): string {
  const name = `ollamamax-${id}.partial`;
  if (!PARTIAL.test(name)) throw new Error(`not a partial file's id: ${id}`);
  return name;
}

export function isOurPartial(fileName: string): boolean {
  return PARTIAL.test(fileName);
}
