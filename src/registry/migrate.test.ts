import { fork } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type { Test } from "tap";
import { onEachPostgres, openPool } from "../../test/fixtures/postgres.ts";
import { tempFolder } from "../../test/fixtures/temp-folder.ts";
import { connect } from "./connect.ts";
import { checkSchema, migrate } from "./migrate.ts";
import type { PoolOptions } from "./options.ts";

const MIGRATIONS = readdirSync(new URL("./migrations/", import.meta.url)).sort();

const [, , task] = process.argv;
if (task) await migrateForParent(JSON.parse(task) as PoolOptions);
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
  });

function copyOfMigrations(t: Test): URL {
  const folder = path.join(tempFolder(t), "migrations");
  mkdirSync(folder);
  cpSync(new URL("./migrations/", import.meta.url), folder, { recursive: true });
  return pathToFileURL(`${folder}/`);
}

async function migrateForParent(options: PoolOptions): Promise<void> {
  const sql = connect(options);
  process.send?.(await migrate(sql));
  await sql.end();
  process.disconnect();
}
