import { fork } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type { Test } from "tap";
import { onEachPostgres, openPool, until } from "../../test/fixtures/postgres.ts";
import { tempFolder } from "../../test/fixtures/temp-folder.ts";
import { connect, type Sql } from "./connect.ts";
import { checkSchema, migrate } from "./migrate.ts";
import type { PoolOptions } from "./options.ts";

const MIGRATIONS = readdirSync(new URL("./migrations/", import.meta.url)).sort();

/** Of the tests' own choice. */
const HELD_LOCK = 4_242;

const [, , task, folder] = process.argv;
if (task) await migrateForParent(JSON.parse(task) as PoolOptions, folder);
else
  onEachPostgres((t, server) => {
    t.test("an empty database gets everything once", async (t) => {
      await using pool = openPool(await server.emptyDatabase());
      t.same(await migrate(pool.sql), MIGRATIONS);
      t.same(await migrate(pool.sql), []);
      await checkSchema(pool.sql);
      const rows = await pool.sql`select name from schema_migrations order by name`;
      t.same([...rows.map(({ name }) => name)], MIGRATIONS);
    });

    t.test("of several processes at once, one migrates and the others wait for it", async (t) => {
      const options = await server.emptyDatabase();
      const children = [1, 2, 3].map(() => fork(import.meta.filename, [JSON.stringify(options)]));
      const said = await Promise.all(
        children.map(async (child) => {
          const messages: unknown[] = [];
          child.on("message", (message) => messages.push(message));
          t.same(await once(child, "close"), [0, null]);
          // tap writes to its children on the same channel.
          return messages.find(Array.isArray);
        }),
      );
      const byCount = said.toSorted((a, b) => (b?.length ?? 0) - (a?.length ?? 0));
      t.same(byCount, [MIGRATIONS, [], []]);
    });

    t.test("checking changes nothing and names what is missing", async (t) => {
      await using pool = openPool(await server.emptyDatabase());
      await t.rejects(checkSchema(pool.sql), { code: "SCHEMA_BEHIND", message: /0001_registry/ });
      const [row] = await pool.sql`select count(*)::int as count from pg_tables
        where schemaname = 'public'`;
      t.match(row, { count: 0 });
    });

    t.test("a migration that was edited after it was applied is refused", async (t) => {
      await using pool = openPool(await server.database());
      const folder = copyOfMigrations(t);
      writeFileSync(new URL("0002_cluster.sql", folder), "select 1;");
      const refused = { code: "SCHEMA_EDITED", message: /0002_cluster.sql/ };
      await t.rejects(migrate(pool.sql, folder), refused);
      await t.rejects(checkSchema(pool.sql, folder), refused);
    });

    t.test("a database of a newer version is refused", async (t) => {
      await using pool = openPool(await server.database());
      const folder = copyOfMigrations(t);
      writeFileSync(new URL("9999_later.sql", folder), "create table later (id int);");
      t.same(await migrate(pool.sql, folder), ["9999_later.sql"]);
      const refused = { code: "SCHEMA_NEWER", message: /9999_later.sql/ };
      await t.rejects(migrate(pool.sql), refused);
      await t.rejects(checkSchema(pool.sql), refused);
    });

    t.test("a migration that fails leaves nothing, not even those before it", async (t) => {
      await using pool = openPool(await server.database());
      const folder = copyOfMigrations(t);
      writeFileSync(new URL("0003_fine.sql", folder), "create table fine (id int);");
      writeFileSync(
        new URL("0004_broken.sql", folder),
        "create table half (id int); select 1 / 0;",
      );
      await t.rejects(migrate(pool.sql, folder), { code: "22012" });
      const [row] = await pool.sql`select to_regclass('fine') as fine, to_regclass('half') as half`;
      t.same({ ...row }, { fine: null, half: null });
      await checkSchema(pool.sql);
    });

    t.test(
      "a process that is killed in the middle leaves nothing, and another one goes on",
      async (t) => {
        const options = await server.emptyDatabase();
        await using pool = openPool(options);
        const folder = copyOfMigrations(t);
        const half = `create table half (id int); select pg_advisory_xact_lock(${HELD_LOCK})`;
        writeFileSync(new URL("9999_half.sql", folder), half);
        const child = fork(import.meta.filename, [JSON.stringify(options), folder.href]);
        await pool.sql.begin(async (tx) => {
          await tx`select pg_advisory_xact_lock(${HELD_LOCK})`;
          await until(async () => (await waiting(pool.sql)) > 0);
          child.kill("SIGKILL");
          await once(child, "close");
        });
        await until(async () => {
          const rows = await pool.sql`select from pg_stat_activity
          where datname = ${options.database} and query like ${"%table half%"} and pid <> pg_backend_pid()`;
          return rows.length === 0;
        });
        const [row] = await pool.sql`select count(*)::int as tables from pg_tables
        where schemaname = 'public'`;
        t.match(row, { tables: 0 });
        t.same(await migrate(pool.sql), MIGRATIONS);
      },
    );
  });

function copyOfMigrations(t: Test): URL {
  const folder = path.join(tempFolder(t), "migrations");
  mkdirSync(folder);
  cpSync(new URL("./migrations/", import.meta.url), folder, { recursive: true });
  return pathToFileURL(`${folder}/`);
}

/** How many wait for the lock that a test holds. */
async function waiting(sql: Sql): Promise<number> {
  const rows = await sql`select from pg_locks
    where locktype = 'advisory' and objid = ${HELD_LOCK} and not granted`;
  return rows.length;
}

async function migrateForParent(options: PoolOptions, folder: string | undefined): Promise<void> {
  const sql = connect(options);
  process.send?.(await migrate(sql, folder === undefined ? undefined : new URL(folder)));
  await sql.end();
  process.disconnect();
}
