import { AppError, messageOf } from "../core/errors.ts";

/** Each message is one sentence with the cause and the next step; no password is in any. */
export type RegistryErrorCode =
  | "DB_UNREACHABLE"
  | "DB_AUTH_FAILED"
  | "DB_MISSING"
  | "DB_FORBIDDEN"
  | "DB_TLS_FAILED"
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
  ...["CONNECT_TIMEOUT", "CONNECTION_CLOSED", "CONNECTION_DESTROYED", "CONNECTION_ENDED"],
  ...["57P01", "57P02", "08006", ...NOT_NOW],
]);
/** Node's codes of a certificate that does not hold (nodejs.org/api/tls.html, X509 certificate error codes). */
const CERTIFICATE = /CERT|^ERR_TLS_|^UNABLE_TO_|^HOSTNAME_MISMATCH$/;
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
  if (NOT_NOW.includes(code)) {
    return new RegistryError(
      "DB_UNREACHABLE",
      `the database at ${server} takes no connection now (${code}): wait until it has started, or raise its max_connections`,
      { cause: error },
    );
  }
  if (messageOf(error).includes("before secure TLS connection")) {
    return new RegistryError(
      "DB_UNREACHABLE",
      `the database at ${server} broke off when it was asked for TLS: turn on ssl in the server, or set OLLAMA_DB_SSL_MODE=prefer`,
      { cause: error },
    );
  }
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
  if (code === "42501") {
    return new RegistryError(
      "DB_FORBIDDEN",
      `user ${db.user} may not do in database ${db.database} what is needed (${messageOf(error)}): make it the database's owner, or correct OLLAMA_DB_USER`,
      { cause: error },
    );
  }
  if (CERTIFICATE.test(code)) {
    return new RegistryError(
      "DB_TLS_FAILED",
      `the certificate of the database at ${server} was refused (${code}): give the server one for that name, name its authority in NODE_EXTRA_CA_CERTS, or set OLLAMA_DB_SSL_MODE=require`,
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
