import postgres from "postgres";
import { isAway } from "./errors.ts";
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
    // The driver asks for the array types by itself on each connection, and nobody catches what that query throws when the
    // server dies: it would end the process. So arrays travel as JSON.
    fetch_types: false,
    onnotice: () => {},
  });
}

/**
 * The driver's own `begin` answers every failure with a rollback, and writing one to a connection that has just closed ends
 * the process (postgres 3.4.9, connection.js, nextWrite). So when the connection is lost its callback never learns of it.
 */
export async function transaction<T>(sql: Sql, work: (tx: Transaction) => Promise<T>): Promise<T> {
  const lost = Promise.withResolvers<never>();
  const begun = sql.begin(async (tx) => {
    try {
      return { value: await work(tx) };
    } catch (error) {
      if (!isAway(error)) throw error;
      lost.reject(error);
      return await new Promise<never>(() => {});
    }
  });
  const { value } = await Promise.race([begun, lost.promise]);
  return value;
}
