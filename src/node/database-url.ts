import { AppError } from "../core/errors.ts";
import type { SslMode } from "../registry/options.ts";
import type { DatabaseAddress } from "./up/plan.ts";

export interface DatabaseUrl {
  readonly address: DatabaseAddress;
  /** Undefined: the URL does not say. */
  readonly sslMode: SslMode | undefined;
}

const DEFAULT_PORT = 5_432;
const SSL_MODES: readonly SslMode[] = ["disable", "prefer", "require", "verify-full"];

/**
 * postgres://user:password@host:port/database?sslmode=require, as libpq reads it (postgresql.org/docs, 34.1.1.2). The password
 * is never in what is thrown.
 */
export function parseDatabaseUrl(text: string): DatabaseUrl {
  const url = URL.parse(text);
  if (!url || !/^postgres(ql)?:$/.test(url.protocol) || url.hostname === "" || url.hash !== "") {
    throw wrong("it must look like postgres://user:password@host:5432/database");
  }
  const database = decoded(url.pathname.slice(1));
  const user = decoded(url.username);
  if (database === "" || user === "") throw wrong("it names no user, or no database");
  const sslMode = SSL_MODES.find((mode) => mode === url.searchParams.get("sslmode"));
  for (const name of url.searchParams.keys()) {
    if (name !== "sslmode") throw wrong(`only sslmode is understood, not ${name}`);
    if (!sslMode) throw wrong(`sslmode must be ${SSL_MODES.join(", ")}`);
  }
  const address = {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? DEFAULT_PORT : Number(url.port),
    ...{ database, user, password: url.password === "" ? undefined : decoded(url.password) },
  };
  return { address, sslMode };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong("a % in it is not followed by two digits");
  }
}

function wrong(why: string): AppError {
  return new AppError("USAGE", `the database's URL is not valid: ${why}`);
}
