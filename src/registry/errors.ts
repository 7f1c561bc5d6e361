import { AppError, messageOf } from "../core/errors.ts";

/** Each message is one sentence with the cause and the next step; no password is in any. */
export type RegistryErrorCode =
  | "DB_UNREACHABLE"
  | "DB_AUTH_FAILED"
  | "DB_MISSING"
  | "DB_FORBIDDEN"
  | "DB_TLS_FAILED"
  | "DB_READ_ONLY"
  | "DB_TIMEOUT"
  | "DB_CONFLICT"
  | "DB_FULL"
  | "DB_TOO_OLD"
  | "NOT_LEADING"
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
const TOO_MANY_CONNECTIONS = "53300";
const NOT_NOW = ["57P03", TOO_MANY_CONNECTIONS];
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
const READ_ONLY = "25006";
/** Serialisation failure, deadlock: the whole transaction was undone (postgresql.org/docs, 13.5 and appendix A). */
const UNDONE = new Set(["40001", "40P01"]);

export interface DatabaseName {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
}

interface Rule {
  readonly code: RegistryErrorCode;
  readonly matches: (code: string, text: string) => boolean;
  readonly message: (db: DatabaseName, code: string, text: string) => string;
}

const server = ({ host, port }: DatabaseName): string => `${host}:${port}`;

/** What a driver's or server's code means to whoever runs the node; the first row that matches. */
const RULES: readonly Rule[] = [
  {
    code: "DB_UNREACHABLE",
    matches: (code) => NOT_NOW.includes(code),
    message: (db, code) =>
      `the database at ${server(db)} takes no connection now (${code}): wait until it has started, or raise its max_connections`,
  },
  {
    code: "DB_UNREACHABLE",
    matches: (_code, text) => text.includes("before secure TLS connection"),
    message: (db) =>
      `the database at ${server(db)} broke off when it was asked for TLS: turn on ssl in the server, or set OLLAMA_DB_SSL_MODE=prefer`,
  },
  {
    code: "DB_UNREACHABLE",
    matches: (code) => AWAY.has(code),
    message: (db, code) =>
      `cannot reach the database at ${server(db)} (${code}): start Postgres there, or correct OLLAMA_DB_HOST and OLLAMA_DB_PORT`,
  },
  {
    // Its pg_hba.conf has only hostssl lines for this user.
    code: "DB_TLS_FAILED",
    matches: (code, text) => AUTH_FAILED.has(code) && text.includes("no encryption"),
    message: (db) =>
      `the database at ${server(db)} takes no connection without TLS: set OLLAMA_DB_SSL_MODE=require or verify-full`,
  },
  {
    code: "DB_AUTH_FAILED",
    matches: (code) => AUTH_FAILED.has(code),
    message: (db) =>
      `the database at ${server(db)} refused user ${db.user}: correct OLLAMA_DB_USER and OLLAMA_DB_PASSWORD`,
  },
  {
    code: "DB_MISSING",
    matches: (code) => code === "3D000",
    message: (db) =>
      `the server at ${server(db)} has no database ${db.database}: create it, or correct OLLAMA_DB_NAME`,
  },
  {
    code: "DB_FORBIDDEN",
    matches: (code) => code === "42501",
    message: (db, _code, text) =>
      `user ${db.user} may not do in database ${db.database} what is needed (${text}): make it the database's owner, or correct OLLAMA_DB_USER`,
  },
  {
    code: "DB_TLS_FAILED",
    matches: (code) => CERTIFICATE.test(code),
    message: (db, code) =>
      `the certificate of the database at ${server(db)} was refused (${code}): give the server one for that name, name its authority in NODE_EXTRA_CA_CERTS, or set OLLAMA_DB_SSL_MODE=require`,
  },
  {
    code: "DB_READ_ONLY",
    matches: (code) => code === READ_ONLY,
    message: (db) =>
      `the database at ${server(db)} only lets itself be read: point OLLAMA_DB_HOST at the primary, or end its read-only mode`,
  },
  {
    code: "DB_TIMEOUT",
    matches: (code) => code === "57014",
    message: (db) =>
      `the database at ${server(db)} did not finish a statement in time, and undid it: look for what keeps it busy or holds locks (pg_stat_activity)`,
  },
  {
    code: "DB_CONFLICT",
    matches: (code) => UNDONE.has(code),
    message: (db, code) =>
      `the database at ${server(db)} undid a transaction for another one's sake (${code}), each time it was tried: try again`,
  },
  {
    code: "DB_FULL",
    matches: (code) => code === "53100" || code === "53200",
    message: (db, code) =>
      `the database at ${server(db)} has no room left (${code}): give it disk or memory`,
  },
];

/** What connecting or a statement threw, as one of ours when somebody can act on it; everything else unchanged. */
export function toRegistryError(error: unknown, db: DatabaseName): unknown {
  if (error instanceof RegistryError) return error;
  const code = codeOf(error);
  const text = messageOf(error);
  const rule = RULES.find(({ matches }) => matches(code, text));
  return rule
    ? new RegistryError(rule.code, rule.message(db, code, text), { cause: error })
    : error;
}

export function isAway(error: unknown): boolean {
  return error instanceof RegistryError ? error.code === "DB_UNREACHABLE" : AWAY.has(codeOf(error));
}

/** True when connections that were open are broken too. */
export function isLost(error: unknown): boolean {
  return isAway(error) && !NOT_NOW.includes(codeOf(error));
}

/** True when new connections may come to a server that takes writes: this one is a standby now, or was made read-only. */
export function isReadOnly(error: unknown): boolean {
  return codeOf(error) === READ_ONLY;
}

/** True when nothing was done, and the same may succeed in a moment: it lost to another transaction, or found no connection. */
export function isWorthAnotherTry(error: unknown): boolean {
  const code = codeOf(error);
  return UNDONE.has(code) || code === TOO_MANY_CONNECTIONS;
}

/**
 * True when the rows can never be written: data exception, constraint violation, limit exceeded. What they refer to may just
 * have gone (23503), and the next time they do without.
 */
export function isRowsFault(error: unknown): boolean {
  return /^(22|23(?!503)|54)[0-9A-Z]{3}$/.test(codeOf(error));
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
