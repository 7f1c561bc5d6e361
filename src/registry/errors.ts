import { AppError } from "../core/errors.ts";

/** Each message is one sentence with the cause and the next step; no password is in any. */
export type RegistryErrorCode =
  | "DB_UNREACHABLE"
  | "DB_AUTH_FAILED"
  | "DB_MISSING"
  | "DB_TOO_OLD"
  | "SCHEMA_NEWER"
  | "SCHEMA_EDITED"
  | "SCHEMA_BEHIND"
  | "DATA_DIR_UNREACHABLE"
  | "NO_DATABASE_ACCOUNT"
  | "NO_POSTGRES_BINARIES"
  | "PORT_TAKEN"
  | "POSTGRES_FAILED";

export class RegistryError extends AppError<RegistryErrorCode> {}

/** A server that answers, and takes no new connection now: it starts, stops, recovers, or has too many. */
const NOT_NOW = ["57P03", "53300"];
/** Socket errors, postgres.js's own codes, and Postgres's for sessions that it ends. */
const AWAY = new Set([
  ...["ECONNREFUSED", "ECONNRESET", "ECONNABORTED", "ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT"],
  ...["EHOSTUNREACH", "EHOSTDOWN", "ENETUNREACH", "EPIPE"],
  ...["CONNECT_TIMEOUT", "CONNECTION_CLOSED", "CONNECTION_DESTROYED"],
  ...["57P01", "57P02", "08006", ...NOT_NOW],
]);
const AUTH_FAILED = new Set(["28P01", "28000"]);

export interface DatabaseName {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
}

/** What connecting or a statement threw, as one of ours when somebody can act on it; everything else unchanged. */
export function toRegistryError(error: unknown, db: DatabaseName): unknown {
  const code = codeOf(error);
  const server = `${db.host}:${db.port}`;
  if (AWAY.has(code)) {
    return new RegistryError(
      "DB_UNREACHABLE",
      `cannot reach the database at ${server} (${code}): start Postgres there, or correct OLLAMA_DB_HOST and OLLAMA_DB_PORT`,
      { cause: error },
    );
  }
  if (AUTH_FAILED.has(code)) {
    return new RegistryError(
      "DB_AUTH_FAILED",
      `the database at ${server} refused user ${db.user}: correct OLLAMA_DB_USER and OLLAMA_DB_PASSWORD`,
      { cause: error },
    );
  }
  if (code === "3D000") {
    return new RegistryError(
      "DB_MISSING",
      `the server at ${server} has no database ${db.database}: create it, or correct OLLAMA_DB_NAME`,
      { cause: error },
    );
  }
  return error;
}

export function isAway(error: unknown): boolean {
  return error instanceof RegistryError ? error.code === "DB_UNREACHABLE" : AWAY.has(codeOf(error));
}

/** True when connections that were open are broken too. */
export function isLost(error: unknown): boolean {
  return isAway(error) && !NOT_NOW.includes(codeOf(error));
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
