import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { type Sql, type Transaction, transaction } from "./connect.ts";
import { RegistryError } from "./errors.ts";

/** Any constant serves; every node must use the same one, so that one of them migrates at a time. */
const MIGRATION_LOCK_ID = 0x6f6c6c61;
const MIGRATIONS_URL = new URL("./migrations/", import.meta.url);
const SERVER_VERSION_MIN = 150_000;

interface Migration {
  readonly name: string;
  readonly text: string;
  readonly sha256: string;
}

/** Applies the .sql files not yet applied, in name order, all in one transaction. Returns their names. */
export async function migrate(sql: Sql, directory: URL = MIGRATIONS_URL): Promise<string[]> {
  return await transaction(sql, (tx) => migrateWithin(tx, directory));
}

/** As part of a transaction that does more; nobody else migrates before it ends. */
export async function migrateWithin(
  tx: Transaction,
  directory: URL = MIGRATIONS_URL,
): Promise<string[]> {
  const migrations = await readMigrations(directory);
  await requireVersion(tx);
  await tx`select pg_advisory_xact_lock(${MIGRATION_LOCK_ID})`;
  await tx`create table if not exists schema_migrations (
    name text primary key, sha256 text not null, applied_at timestamptz not null default now())`;
  const missing = missingOf(migrations, await appliedOf(tx));
  for (const { name, text, sha256 } of missing) {
    await tx.unsafe(text);
    await tx`insert into schema_migrations (name, sha256) values (${name}, ${sha256})`;
  }
  return missing.map(({ name }) => name);
}

/** Changes nothing; throws unless the schema is exactly the one that the files make. */
export async function checkSchema(sql: Sql, directory: URL = MIGRATIONS_URL): Promise<void> {
  const migrations = await readMigrations(directory);
  await transaction(sql, async (tx) => {
    await tx`set transaction read only`;
    await requireVersion(tx);
    const [table] = await tx<{ known: boolean }[]>`
      select to_regclass('schema_migrations') is not null as known`;
    const missing = missingOf(migrations, table?.known ? await appliedOf(tx) : new Map());
    if (missing.length > 0) {
      throw new RegistryError(
        "SCHEMA_BEHIND",
        `the database lacks ${missing.length} migration(s), first ${missing[0]?.name}: start one node without --no-migrate`,
      );
    }
  });
}

async function readMigrations(directory: URL): Promise<Migration[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith(".sql")).sort();
  return await Promise.all(
    names.map(async (name) => {
      const text = await readFile(new URL(name, directory), "utf8");
      return { name, text, sha256: createHash("sha256").update(text).digest("hex") };
    }),
  );
}

async function requireVersion(tx: Transaction): Promise<void> {
  const [row] = await tx<{ number: number; text: string }[]>`
    select current_setting('server_version_num')::int as number, current_setting('server_version') as text`;
  if (row && row.number < SERVER_VERSION_MIN) {
    throw new RegistryError(
      "DB_TOO_OLD",
      `the database is Postgres ${row.text} and 15 is the oldest that works: upgrade the server, or point OLLAMA_DB_HOST at a newer one`,
    );
  }
}

async function appliedOf(tx: Transaction): Promise<Map<string, string>> {
  const rows = await tx<
    { name: string; sha256: string }[]
  >`select name, sha256 from schema_migrations`;
  return new Map(rows.map((row) => [row.name, row.sha256]));
}

/** What is left to apply; throws when the database was made by other files than these. */
function missingOf(
  migrations: readonly Migration[],
  applied: ReadonlyMap<string, string>,
): Migration[] {
  const names = new Set(migrations.map(({ name }) => name));
  const unknown = [...applied.keys()].filter((name) => !names.has(name)).sort();
  if (unknown.length > 0) {
    throw new RegistryError(
      "SCHEMA_NEWER",
      `the database was made by a newer version (migration ${unknown[0]} is unknown here): update this node`,
    );
  }
  for (const { name, sha256 } of migrations) {
    if (applied.has(name) && applied.get(name) !== sha256) {
      throw new RegistryError(
        "SCHEMA_EDITED",
        `migration ${name} was edited after it was applied: restore the file and put the change into a new one`,
      );
    }
  }
  return migrations.filter(({ name }) => !applied.has(name));
}
