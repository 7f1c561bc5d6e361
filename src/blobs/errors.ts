import { AppError, messageOf } from "../core/errors.ts";

/** What can go wrong with the models folder and what goes into it. Every message says what to do next. */
export class BlobError extends AppError<
  | "MODELS_DIR_NOT_READABLE"
  | "MODELS_DIR_NOT_WRITABLE"
  | "DISK_FULL"
  | "BLOB_NOT_FOUND"
  | "BLOB_BUSY"
  | "BLOB_CHANGED"
  | "RANGE_INVALID"
  | "DIGEST_MISMATCH"
  | "LAYER_INVALID"
  | "MANIFEST_INVALID"
  | "INVALID_MODEL_NAME"
  | "FILE_NOT_READABLE"
  | "FILE_CHANGED"
> {}

/** A file that is not a GGUF file that we can use. */
export class GgufError extends AppError<
  | "NOT_GGUF"
  | "UNSUPPORTED_VERSION"
  | "TRUNCATED"
  | "TOO_LARGE"
  | "MALFORMED"
  | "SPLIT_INCOMPLETE"
  | "SPLIT_NOT_SUPPORTED"
> {}

const DISK_FULL_CODES: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);
const NOT_WRITABLE_CODES: ReadonlySet<string> = new Set([
  "EACCES",
  "EPERM",
  "EROFS",
  "ENOENT",
  "ENOTDIR",
]);

/** The system's name of the failure (ENOENT), when it is a system's failure. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** The failure of a write below the models folder, in words that say what to do; anything unknown as it is. */
export function writeFailure(error: unknown, dir: string): unknown {
  const code = systemCode(error) ?? "";
  if (DISK_FULL_CODES.has(code)) {
    return new BlobError(
      "DISK_FULL",
      `No space is left in ${dir} (${code}): free some space there, or set OLLAMA_MODELS to a folder on a larger disk.`,
      { details: { dir }, cause: error },
    );
  }
  return NOT_WRITABLE_CODES.has(code) ? notWritable(dir, error) : error;
}

export function notWritable(dir: string, cause: unknown): BlobError {
  return new BlobError(
    "MODELS_DIR_NOT_WRITABLE",
    `Cannot write to the models folder ${dir} (${systemCode(cause) ?? messageOf(cause)}): give this user write access to it, or set OLLAMA_MODELS to another folder.`,
    { details: { dir }, cause },
  );
}

export function notReadable(dir: string, cause: unknown): BlobError {
  return new BlobError(
    "MODELS_DIR_NOT_READABLE",
    `Cannot read the models folder ${dir} (${systemCode(cause) ?? messageOf(cause)}): give this user read access to it, or set OLLAMA_MODELS to another folder.`,
    { details: { dir }, cause },
  );
}
