import type { Waiting } from "../core/ports.ts";
import { connect, disconnect, type Sql } from "../registry/connect.ts";
import { toRegistryError } from "../registry/errors.ts";
import { type MovedTable, moveRegistry } from "../registry/move.ts";
import type { PoolOptions } from "../registry/options.ts";
import { openEmbeddedDatabase } from "./command-database.ts";
import type { Config } from "./config/config.ts";
import { parseDatabaseUrl } from "./database-url.ts";

export interface Moved {
  readonly tables: readonly MovedTable[];
  /** Of the new database, for the nodes' settings; without the password. */
  readonly target: Pick<PoolOptions, "host" | "port" | "database" | "user" | "sslMode">;
  /** Nodes were using the old database: what they wrote since the copy began is not in the new one. */
  readonly wasInUse: boolean;
}

/** One connection, kept for as long as the copying takes. */
const COPY_POOL = {
  ...{ connectionsMax: 1, statementTimeoutMs: 0 },
  ...{ idleTimeoutMs: 86_400_000, lifetimeMaxMs: 86_400_000 },
};

/** Copies the embedded database into the one of the URL; the embedded one stays as it is. */
export async function moveToServer(
  config: Config,
  url: string,
  o: Waiting & { readonly onTable: (name: string, rows: number) => void },
): Promise<Moved> {
  const { address, sslMode } = parseDatabaseUrl(url);
  const password = address.password ?? config.OLLAMA_DB_PASSWORD;
  const target = { ...address, password, sslMode: sslMode ?? config.OLLAMA_DB_SSL_MODE };
  await using database = await openEmbeddedDatabase(config, "refuse");
  const tables = await withPool(target, async (to) => {
    await to`select 1`;
    return await withPool(database.options, (from) => moveRegistry(from, to, o));
  });
  const { host, port, database: name, user } = target;
  return {
    tables,
    target: { host, port, database: name, user, sslMode: target.sslMode },
    wasInUse: database.shared,
  };
}

async function withPool<T>(options: PoolAddress, action: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = connect({ ...options, ...COPY_POOL });
  try {
    return await action(sql);
  } catch (error) {
    throw toRegistryError(error, options);
  } finally {
    await disconnect(sql);
  }
}

type PoolAddress = Pick<
  PoolOptions,
  "host" | "port" | "database" | "user" | "password" | "sslMode"
>;
