import postgres from "postgres";
import type { PoolOptions } from "./options.ts";

/** Integers of 64 bits come as bigint. */
export type Sql = postgres.Sql<{ bigint: bigint }>;
export type Transaction = postgres.TransactionSql<{ bigint: bigint }>;

const CONNECT_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 15_000;
/** postgres.js waits this long before it dials again; its own default grows until a node takes minutes to come back. */
const REDIAL_SECONDS = 0.2;

/** A pool; nothing connects before the first statement. */
export function connect(options: PoolOptions): Sql {
  return postgres({
    host: options.host,
    port: options.port,
    database: options.database,
    username: options.user,
    ...(options.password === undefined ? {} : { password: options.password }),
    ssl: options.sslMode === "disable" ? false : options.sslMode,
    max: options.connectionsMax,
    idle_timeout: options.idleTimeoutMs / 1_000,
    max_lifetime: options.lifetimeMaxMs / 1_000,
    connect_timeout: (options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS) / 1_000,
    backoff: () => REDIAL_SECONDS,
    connection: {
      application_name: "ollamamax",
      statement_timeout: options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS,
    },
    types: { bigint: postgres.BigInt },
    onnotice: () => {},
  });
}

/** Waits for a statement; an abort cancels it on the server. */
export async function run<T>(
  query: PromiseLike<T> & { cancel(): void },
  { signal }: { readonly signal: AbortSignal },
): Promise<T> {
  signal.throwIfAborted();
  const onAbort = (): void => query.cancel();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await query;
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
