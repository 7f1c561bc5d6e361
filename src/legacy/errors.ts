import { AppError } from "../core/errors.ts";

export type LegacyStoreErrorCode =
  | "STORE_MISSING"
  | "NOT_A_STORE"
  | "STORE_IN_USE"
  | "STORE_CORRUPT"
  | "STORE_UNREADABLE"
  | "NO_ROOM";

/** Why the old store cannot be read: one sentence with the cause and the next step. */
export class LegacyStoreError extends AppError<LegacyStoreErrorCode> {}

export function corrupt(folder: string, what: string): LegacyStoreError {
  return new LegacyStoreError(
    "STORE_CORRUPT",
    `the store in ${folder} is damaged (${what}), and nothing was imported from it: restore it from a backup, or let the old program open and close it once`,
  );
}

/** What opening or reading LevelDB threw; paths of our copy are shown as the file's name alone. */
export function toStoreError(folder: string, copy: string, error: unknown): unknown {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error) || !("code" in cause)) return error;
  if (cause.code !== "LEVEL_CORRUPTION" && cause.code !== "LEVEL_IO_ERROR") return error;
  return corrupt(folder, cause.message.replaceAll(`${copy}/`, ""));
}
