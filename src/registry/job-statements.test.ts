import { PgBoss } from "pg-boss";
import { onEachPostgres, openPool } from "../../test/fixtures/postgres.ts";
import { systemClock } from "../core/clock.ts";
import { JobStatements } from "./job-statements.ts";
import { Pool } from "./pool.ts";

const o = { signal: new AbortController().signal };
const ID = "00000000-0000-4000-8000-000000000001";

onEachPostgres((t, server) => {
  t.test("the migrations make the schema that pg-boss expects", async (t) => {
    await using pool = new Pool(await server.database(), { clock: systemClock });
    const store = new JobStatements(pool);
    const db = {
      executeSql: (text: string, values?: unknown[]) => store.execute(text, values ?? [], o),
    };
    const boss = new PgBoss({ db, schema: "jobs", migrate: false });
    t.ok(await boss.isInstalled());
    t.match(await boss.detectSchemaDrift(), { ok: true });
  });

  t.test("values arrive as node-postgres would send them, and come back", async (t) => {
    await using pool = new Pool(await server.database(), { clock: systemClock });
    const store = new JobStatements(pool);
    const one = async (type: string, value: unknown): Promise<unknown> =>
      (await store.execute(`select $1::${type} as it`, [value], o)).rows[0]?.["it"];
    const hostile = `'; drop table nodes; -- "\\ {} , NULL`;
    t.equal(await one("text", hostile), hostile);
    t.same(await one("json", JSON.stringify({ a: [1, "x"] })), { a: [1, "x"] });
    t.same(await one("jsonb", { a: hostile }), { a: hostile });
    t.equal(await one("jsonb", '"text"'), "text");
    t.equal(await one("int", 7), 7);
    t.equal(await one("bigint", 2n ** 60n), String(2n ** 60n));
    t.equal(await one("boolean", false), false);
    t.equal(await one("text", null), null);
    t.equal(await one("text", undefined), null);
    t.same(await one("timestamptz", new Date(1_234)), new Date(1_234));
    t.same(await one("uuid[]", [ID, ID]), [ID, ID]);
    t.same(await one("uuid[]", []), []);
    const { rows } = await store.execute(
      "select item from unnest($1::text[]) as item limit $2",
      [[hostile, null, 'a"b', ""], 3],
      o,
    );
    t.same(rows, [{ item: hostile }, { item: null }, { item: 'a"b' }]);
  });

  t.test("several statements are one transaction, and leave none open", async (t) => {
    const options = { ...(await server.database()), connectionsMax: 1 };
    await using pool = new Pool(options, { clock: systemClock });
    const store = new JobStatements(pool);
    const all = await store.execute(
      "BEGIN; select 1 as a; select 2 as a union select 3 order by 1; COMMIT",
      [],
      o,
    );
    t.same(all.rows, [{ a: 1 }, { a: 2 }, { a: 3 }]);
    const insert = "insert into leases (name, holder, expires_at) values ('x', 'x', now())";
    const failing = store.execute(
      `\n BEGIN;\n SET LOCAL lock_timeout = 30000;\n ${insert};\n select 1/0;\n COMMIT;\n `,
      [],
      o,
    );
    await t.rejects(failing, { code: "22012" });
    t.same((await store.execute("select 1 from leases", [], o)).rows, []);
    await store.execute(`BEGIN; ${insert}; COMMIT;`, [], o);
    t.equal((await store.execute("select 1 from leases", [], o)).rows.length, 1);
    await using other = openPool(options);
    const open = await other.sql`
      select 1 from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'`;
    t.equal(open.length, 0);
  });

  t.test("a server that is away is one error with a code", async (t) => {
    await using pool = new Pool({ ...(await server.database()), port: 1 }, { clock: systemClock });
    await t.rejects(new JobStatements(pool).execute("select 1", [], o), { code: "DB_UNREACHABLE" });
  });
});
