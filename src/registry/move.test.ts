import t from "tap";
import { Door, onEachPostgres, openPool, TestServer } from "../../test/fixtures/postgres.ts";
import { testModel, testNodeView } from "../../test/fixtures/registry-rows.ts";
import { clusterKeys } from "./cluster-settings.ts";
import type { Sql } from "./connect.ts";
import { migrate } from "./migrate.ts";
import { moveRegistry } from "./move.ts";
import { upsertNode } from "./nodes.ts";
import type { PoolOptions } from "./options.ts";
import { writeOwnReplicas } from "./replicas.ts";
import { parentsFirst } from "./table-copy.ts";

const ROWS = 1_000;
const quiet = { signal: new AbortController().signal, onTable: () => {} };

const openSingle = (options: PoolOptions) => openPool({ ...options, connectionsMax: 1 });

const embedded = await TestServer.open(t);
t.teardown(() => embedded[Symbol.asyncDispose]());

t.test("tables come after those that they refer to, circles last", (t) => {
  const names = (text: string) => text.split("").map((name) => ({ name }));
  const pairs = (text: string) =>
    text.split(" ").map(([child = "", parent = ""]) => ({ child, parent }));
  const order = (tables: string, references: string) =>
    parentsFirst(names(tables), pairs(references))
      .map(({ name }) => name)
      .join("");
  t.equal(order("abc", "ab bc"), "cba");
  t.equal(order("abcd", "ab ac cd"), "bdca");
  t.equal(order("abc", "ab ba"), "cab");
  t.equal(order("", "ab"), "");
  t.end();
});

onEachPostgres((t, server) => {
  t.test(
    "everything arrives as it was, in a database that is empty or only migrated",
    async (t) => {
      await using source = openSingle(await embedded.database());
      await fill(source.sql);
      for (const options of [await server.emptyDatabase(), await server.database()]) {
        await using target = openPool(options);
        const told = new Map<string, number>();
        const onTable = (name: string, rows: number) => void told.set(name, rows);
        const moved = await moveRegistry(source.sql, target.sql, { ...quiet, onTable });
        t.same(told, new Map(moved.map(({ name, rows }) => [name, rows])));

        t.equal(told.get("models"), ROWS + 2);
        t.equal(told.get("inference_requests"), ROWS);
        for (const { name } of moved) {
          t.same(await content(target.sql, name), await content(source.sql, name), name);
        }
        t.same(await migrate(target.sql), []);
        // Triggers are awake again.
        const [row] = await target.sql`
        update models set version = 'x' where name like '%/a:latest' returning updated_at > now() - interval '1 hour' as touched`;
        t.match(row, { touched: true });
      }
    },
  );

  t.test("a database that is used is refused and stays as it is", async (t) => {
    const options = await embedded.database();
    await using source = openSingle(options);
    await using same = openSingle(options);
    await fill(source.sql);
    await using target = openSingle(await server.database());
    await clusterKeys(target.sql);
    const refused = { code: "TARGET_NOT_EMPTY", message: /its table cluster_settings has 1 rows/ };
    await t.rejects(moveRegistry(source.sql, target.sql, quiet), refused);
    await using foreign = openSingle(await server.emptyDatabase());
    await foreign.sql`create table theirs (id int)`;
    const theirs = { code: "TARGET_NOT_EMPTY", message: /it has a table theirs/ };
    await t.rejects(moveRegistry(source.sql, foreign.sql, quiet), theirs);
    t.same(await tables(foreign.sql), ["theirs"]);
    const itself = { code: "SAME_DATABASE" };
    await t.rejects(moveRegistry(source.sql, same.sql, quiet), itself);
  });

  t.test("a source or target of another version is refused", async (t) => {
    await using old = openSingle(await embedded.emptyDatabase());
    await using target = openSingle(await server.emptyDatabase());
    await t.rejects(moveRegistry(old.sql, target.sql, quiet), { code: "SCHEMA_BEHIND" });
    await using source = openSingle(await embedded.database());
    await migrate(target.sql);
    await target.sql`insert into schema_migrations (name, sha256) values ('9999_later.sql', 'x')`;
    await t.rejects(moveRegistry(source.sql, target.sql, quiet), { code: "SCHEMA_NEWER" });
  });

  t.test("whatever fails, the target is as it was", async (t) => {
    const sourceOptions = await embedded.database();
    await using sourceDoor = await Door.open(sourceOptions.port);
    await using source = openSingle(sourceOptions);
    await fill(source.sql);

    await using losing = openSingle(await server.database());
    await losing.sql`create rule lose as on insert to api_keys do instead nothing`;
    const differs = { code: "COPY_DIFFERS", message: /table api_keys .*1 rows.*then 0/ };
    await t.rejects(moveRegistry(source.sql, losing.sql, quiet), differs);
    t.same(await rowCounts(losing.sql), []);

    await using changing = openSingle(await server.database());
    await changing.sql`create rule change as on insert to nodes do also
      update nodes set name = 'changed' where peer_id = new.peer_id`;
    const changed = { code: "COPY_DIFFERS", message: /table nodes/ };
    await t.rejects(moveRegistry(source.sql, changing.sql, quiet), changed);
    t.same(await rowCounts(changing.sql), []);

    await using strict = openSingle(await server.database());
    await strict.sql`alter table model_replicas add constraint never check (false)`;
    await t.rejects(moveRegistry(source.sql, strict.sql, quiet), { code: "23514" });
    t.same(await rowCounts(strict.sql), []);

    const options = await server.emptyDatabase();
    await using door = await Door.open(options.port);
    await using cutOff = openSingle({ ...options, port: door.port });
    const onTable = (name: string) => name === "inference_requests" && door.cut("reset");
    const lost = { code: "TARGET_LOST", message: /connection to the new database was lost/ };
    await t.rejects(moveRegistry(source.sql, cutOff.sql, { ...quiet, onTable }), lost);
    await using empty = openSingle(options);
    t.same(await tables(empty.sql), []);

    await using away = openSingle({ ...sourceOptions, port: sourceDoor.port });
    const gone = { code: /CLOSED|ECONNRESET/ };
    const cutSource = (name: string) => name === "inference_requests" && sourceDoor.cut("reset");
    await t.rejects(moveRegistry(away.sql, empty.sql, { ...quiet, onTable: cutSource }), gone);
    t.same(await tables(empty.sql), []);

    const stop = new AbortController();
    const stopAt = (name: string) =>
      name === "inference_requests" && stop.abort(new RangeError("enough"));
    const stopped = moveRegistry(source.sql, empty.sql, { signal: stop.signal, onTable: stopAt });
    await t.rejects(stopped, RangeError);
    t.same(await tables(empty.sql), []);

    await moveRegistry(source.sql, empty.sql, quiet);
    t.ok((await rowCounts(empty.sql)).length > 5, "and it works afterwards");
  });

  t.test("what nodes write meanwhile is not in it, all or nothing", async (t) => {
    const options = await embedded.database();
    await using source = openSingle(options);
    await using nodes = openPool(options);
    await fill(source.sql);
    await using target = openSingle(await server.emptyDatabase());
    const writes: Promise<unknown>[] = [];
    const onTable = (name: string) => {
      const model = `later-${name}`;
      writes.push(
        nodes.sql`insert into models (name, version, size, hash) values (${model}, '', 0, '')`,
      );
    };
    const moved = await moveRegistry(source.sql, target.sql, { ...quiet, onTable });
    await Promise.all(writes);
    const models = moved.find(({ name }) => name === "models");
    t.equal(models?.rows, ROWS + 2);
    const late = await target.sql`select 1 from models where name like 'later-%'`;
    t.equal(late.length, 0);
  });
});

/** Rows in every table, with values that are easily lost on the way. */
async function fill(sql: Sql): Promise<void> {
  for (const number of [1, 2]) {
    const view = testNodeView(number, {
      name: `Knoten "${number}" \\ ' 😀`,
      incarnation: 2n ** 62n,
    });
    const rowId = (await upsertNode(sql, { ...view, status: "active" })) ?? "";
    const replicas = ["a", "b"].map((model) => ({
      record: testModel(model),
      state: "ready" as const,
    }));
    await writeOwnReplicas(sql, { rowId, incarnation: 2n ** 62n }, replicas);
  }
  await clusterKeys(sql);
  await sql`update models set description = E'tab\\t, newline\\n, [{"x":null}]', tags = '["a", null, {"b": 1e400}]'`;
  await sql`update model_replicas set health_score = 0.1 + 0.2, last_verified = 'infinity'`;
  await sql`insert into models (name, version, size, hash, parameters, created_at)
    select 'model-' || number, '', 9223372036854775807 - number, '', 'null', timestamptz '2025-01-01 00:00:00.123456+05:30'
    from generate_series(1, ${ROWS}) as number`;
  await sql`with user_row as (insert into users (username, password_hash, roles) values ('Ä', '', array['a,b', '"c"', ''])
      returning id)
    insert into api_keys (user_id, name, key_hash, prefix, expires_at) select id, 'k', 'h', 'p', '-infinity' from user_row`;
  await sql`insert into signing_keys (id, node_id, public_jwk) select 'key', id, '{"a": [1.10]}' from nodes limit 1`;
  await sql`insert into leases (name, holder, token, expires_at) values ('leader', 'x', 9, now())`;
  await sql`insert into inference_requests (request_id, model_id, model_name, nodes_used)
    select number::text, models.id, 'm', array[null, 'n']
    from generate_series(1, ${ROWS}) as number, models where models.name = 'model-1'`;
  await sql`insert into audit_log (table_name, operation, old_values) values ('models', 'INSERT', 'null')`;
}

/** In an order of its own, without the checksums under test. */
async function content(sql: Sql, table: string): Promise<string[]> {
  const rows = await sql`select to_jsonb(${sql(table)})::text as row from ${sql(table)}`;
  return rows.map(({ row }) => row).sort();
}

async function tables(sql: Sql): Promise<string[]> {
  const rows = await sql`select tablename from pg_tables where schemaname = 'public' order by 1`;
  return rows.map(({ tablename }) => tablename);
}

async function rowCounts(sql: Sql): Promise<string[]> {
  const counts = await Promise.all(
    (await tables(sql))
      .filter((name) => name !== "schema_migrations")
      .map(async (name) => [name, (await sql`select 1 from ${sql(name)} limit 1`).length] as const),
  );
  return counts.filter(([, count]) => count > 0).map(([name]) => name);
}
