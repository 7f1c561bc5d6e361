import { onEachPostgres, openPool } from "../../test/fixtures/postgres.ts";
import { testNodeId } from "../../test/fixtures/registry-rows.ts";

const CHECK = "23514";
const UNIQUE = "23505";
const NOT_NULL = "23502";
const FOREIGN_KEY = "23503";
const TOO_LONG = "22001";

const PEER = testNodeId(1);
const SOME_ID = "00000000-0000-4000-8000-000000000001";
const NODE = `insert into nodes (id, peer_id) values ('${SOME_ID}', '${PEER}')`;
const MODEL = `insert into models (id, name, version, size, hash) values ('${SOME_ID}', 'm', 'latest', 1, 'h')`;
const USER = `insert into users (id, username, password_hash) values ('${SOME_ID}', 'ann', 'h')`;
const REPLICA = `insert into model_replicas (model_id, node_id, replica_path)
  values ('${SOME_ID}', '${SOME_ID}', 'p')`;
const REQUEST = "insert into inference_requests (request_id, model_name)";

/** Statements that the schema must refuse, and why; those before them must pass. */
const REFUSED: readonly [refused: string, code: string, before?: readonly string[]][] = [
  ["insert into nodes (peer_id) values (null)", NOT_NULL],
  [`insert into nodes (peer_id) values ('${PEER}')`, UNIQUE, [NODE]],
  ["insert into nodes (peer_id, port) values ('a', 0)", CHECK],
  ["insert into nodes (peer_id, port) values ('a', 65536)", CHECK],
  ["insert into nodes (peer_id, status) values ('a', 'gone')", CHECK],
  ["insert into nodes (peer_id, address) values ('a', 'host.example')", "22P02"],
  ["insert into nodes (peer_id, name) values ('a', repeat('n', 256))", TOO_LONG],
  ["insert into models (name, version, size, hash) values ('m', 'v', -1, 'h')", CHECK],
  ["insert into models (name, version, size, hash) values ('m', 'v', 1, 'h')", UNIQUE, [MODEL]],
  [
    "insert into models (name, version, size, hash) values (repeat('m', 256), 'v', 1, 'h')",
    TOO_LONG,
  ],
  ["update models set status = 'away'", CHECK, [MODEL]],
  ["update models set search = ''", "428C9", [MODEL]],
  [REPLICA, FOREIGN_KEY],
  [REPLICA, FOREIGN_KEY, [MODEL]],
  [REPLICA, UNIQUE, [MODEL, NODE, REPLICA]],
  ["update model_replicas set status = 'lost'", CHECK, [MODEL, NODE, REPLICA]],
  ["update model_replicas set health_score = 1.01", CHECK, [MODEL, NODE, REPLICA]],
  ["update model_replicas set health_score = -0.01", CHECK, [MODEL, NODE, REPLICA]],
  ["insert into users (username, password_hash) values ('ANN', 'h')", UNIQUE, [USER]],
  ["insert into users (username) values ('bob')", NOT_NULL],
  [`${REQUEST} values ('r', null)`, NOT_NULL],
  [
    `insert into inference_requests (request_id, model_name, status) values ('r', 'm', 'odd')`,
    CHECK,
  ],
  ["insert into leases (name, holder, token, expires_at) values ('l', 'h', 0, now())", CHECK],
  ["insert into leases (name, holder) values ('l', 'h')", NOT_NULL],
  ["insert into cluster_settings (name, value) values ('s', null)", NOT_NULL],
  [
    `insert into api_keys (user_id, name, key_hash, prefix) values ('${SOME_ID}', 'k', 'h', 'p')`,
    FOREIGN_KEY,
  ],
  [
    `insert into api_keys (user_id, name, key_hash, prefix, role) values ('${SOME_ID}', 'k', 'h', 'p', 'root')`,
    CHECK,
    [USER],
  ],
];

/** Columns that statements search by; each must lead some index. */
const INDEXED: Readonly<Record<string, readonly string[]>> = {
  models: ["name", "status", "created_at", "tags", "search"],
  nodes: ["peer_id", "status", "last_heartbeat", "region"],
  model_replicas: ["model_id", "node_id", "status", "health_score"],
  users: ["username", "email", "active", "roles"],
  inference_requests: ["request_id", "user_id", "model_id", "status", "created_at"],
  audit_log: ["table_name", "timestamp"],
  api_keys: ["user_id", "key_hash", "prefix"],
  signing_keys: ["node_id"],
};

onEachPostgres((t, server) => {
  t.test("what must not be stored is refused", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    for (const [refused, code, before = []] of REFUSED) {
      const tried = sql.begin(async (tx) => {
        for (const statement of before) await tx.unsafe(statement);
        await t.rejects(
          tx.savepoint((inner) => inner.unsafe(refused)),
          { code },
          refused,
        );
        throw new RangeError("undone");
      });
      await t.rejects(tried, RangeError);
    }
  });

  t.test("an update moves updated_at", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    const inserts: Readonly<Record<string, readonly [insert: string, change: string]>> = {
      models: [MODEL, "description = 'x'"],
      nodes: [NODE, "zone = 'x'"],
      model_replicas: [REPLICA, "replica_path = 'x'"],
      users: [USER, "active = false"],
      cluster_settings: [
        "insert into cluster_settings (name, value) values ('s', '1')",
        "value = '2'",
      ],
    };
    for (const [table, [insert, change]] of Object.entries(inserts)) {
      await sql.unsafe(insert);
      // Each statement is a transaction of its own, and now() is the transaction's start.
      await sql.unsafe(`update ${table} set ${change}`);
      const [row] = await sql.unsafe(`select updated_at > created_at as moved from ${table}`);
      t.match(row, { moved: true }, table);
    }
    const columns = await sql<
      { table_name: string }[]
    >`select table_name from information_schema.columns
      where table_schema = 'public' and column_name = 'updated_at'`;
    t.same(columns.map((row) => row.table_name).sort(), Object.keys(inserts).sort());
  });

  t.test(
    "replicas go with their node or model; requests stay when a model or user goes",
    async (t) => {
      await using pool = openPool(await server.database());
      const { sql } = pool;
      for (const insert of [MODEL, NODE, REPLICA, USER]) await sql.unsafe(insert);
      await sql`insert into inference_requests (request_id, model_name, model_id, user_id)
      values ('r', 'm', ${SOME_ID}, ${SOME_ID})`;
      await sql`delete from nodes`;
      t.match(await sql`select count(*)::int as count from model_replicas`, [{ count: 0 }]);
      await sql.unsafe(NODE);
      await sql.unsafe(REPLICA);
      await sql`delete from models`;
      await sql`delete from users`;
      t.match(await sql`select count(*)::int as count from model_replicas`, [{ count: 0 }]);
      const kept = await sql`select model_id, user_id, model_name, status from inference_requests`;
      t.same({ ...kept[0] }, { model_id: null, user_id: null, model_name: "m", status: "pending" });
    },
  );

  t.test("every column that is searched by leads an index, and no index is broken", async (t) => {
    await using pool = openPool(await server.database());
    const rows = await pool.sql<{ table: string; definition: string; valid: boolean }[]>`
      select indrelid::regclass::text as table, pg_get_indexdef(indexrelid, 1, true) as definition,
        indisvalid and indisready as valid
      from pg_index where indrelid in (
        select oid from pg_class where relnamespace = 'public'::regnamespace)`;
    t.ok(rows.every(({ valid }) => valid));
    for (const [table, columns] of Object.entries(INDEXED)) {
      const leading = rows
        .filter((row) => row.table === table)
        .map(({ definition }) => definition.replaceAll('"', ""));
      for (const column of columns) t.ok(leading.includes(column), `${table}.${column}`);
    }
  });

  t.test("a model is found by its words", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    await sql.unsafe(MODEL);
    await sql`update models set description = 'Small and quick'`;
    const found =
      await sql`select name from models where search @@ plainto_tsquery('simple', 'quick')`;
    t.match(found, [{ name: "m" }]);
  });
});
