import { connect, disconnect } from "../registry/connect.ts";
import { RegistryError, toRegistryError } from "../registry/errors.ts";
import { checkSchema, migrate } from "../registry/migrate.ts";
import { openCommandDatabase } from "./command-database.ts";
import type { Config } from "./config/config.ts";

export interface SchemaState {
  readonly database: string;
  readonly state: "current" | "behind" | "newer" | "edited";
  /** What is wrong and what to do; empty when nothing is. */
  readonly problem: string;
}

export interface SchemaRaised {
  readonly database: string;
  /** The migrations that were missing, in the order in which they were applied. */
  readonly applied: readonly string[];
}

const STATES = {
  SCHEMA_BEHIND: "behind",
  SCHEMA_NEWER: "newer",
  SCHEMA_EDITED: "edited",
} as const;

/** Changes nothing. A database that cannot be asked is an error, not a state. */
export async function checkRegistry(config: Config): Promise<SchemaState> {
  return await withDatabase(config, async (sql, database) => {
    try {
      await checkSchema(sql);
      return { database, state: "current", problem: "" };
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      const state = Object.entries(STATES).find(([code]) => code === error.code)?.[1];
      if (!state) throw error;
      return { database, state, problem: error.message };
    }
  });
}

/** Brings the schema up to what this version knows: all of it, or nothing. */
export async function raiseRegistry(config: Config): Promise<SchemaRaised> {
  return await withDatabase(config, async (sql, database) => ({
    database,
    applied: await migrate(sql),
  }));
}

async function withDatabase<T>(
  config: Config,
  action: (sql: ReturnType<typeof connect>, database: string) => Promise<T>,
): Promise<T> {
  await using place = await openCommandDatabase(config, "refuse");
  const { options } = place;
  // A migration may take longer than a statement usually may, and so may the one that another node has begun.
  const sql = connect({ ...options, connectionsMax: 1, statementTimeoutMs: 0 });
  try {
    return await action(sql, `${options.database} at ${options.host}:${options.port}`);
  } catch (error) {
    throw toRegistryError(error, options);
  } finally {
    await disconnect(sql);
  }
}
