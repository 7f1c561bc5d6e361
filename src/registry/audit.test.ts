import fc from "fast-check";
import { onEachPostgres, openPool } from "../../test/fixtures/postgres.ts";
import { testModel, testNodeId, testNodeView } from "../../test/fixtures/registry-rows.ts";
import { actAs, recordEvent } from "./audit.ts";
import { denyNode, rotateClusterKey } from "./cluster-settings.ts";
import { type Sql, transaction } from "./connect.ts";
import { upsertModel } from "./models.ts";
import { markNode, type NodeRow, upsertNode } from "./nodes.ts";
import { withoutSecrets } from "./pages/without-secrets.ts";
import { writeOwnReplicas } from "./replicas.ts";

const ID = "00000000-0000-4000-8000-000000000001";
const OTHER_ID = "00000000-0000-4000-8000-000000000002";
const HIDDEN = "[secret]";
const PEER = testNodeId(1);
/** Stands in each secret, in a form that a jsonb takes too. */
const SECRET = "5ec2e7";

interface Change {
  readonly table_name: string;
  readonly operation: string;
  readonly old_values: Record<string, unknown> | null;
  readonly new_values: Record<string, unknown> | null;
  readonly user_id: string | null;
}

/** What the log says since it was last asked. */
async function logged(sql: Sql): Promise<Change[]> {
  return await sql<Change[]>`
    with gone as (delete from audit_log returning *, ctid as place)
    select table_name, operation, old_values, new_values, user_id from gone order by "timestamp", place`;
}

interface Case {
  readonly table: string;
  readonly before?: string;
  readonly insert: string;
  /** What the log has of the new row, apart from defaults. */
  readonly row: Readonly<Record<string, unknown>>;
  readonly named: Readonly<Record<string, unknown>>;
  /** Each column's change alone: what the log then has before and after it; undefined: no row. */
  readonly changes: readonly (readonly [
    column: string,
    value: string,
    change?: readonly unknown[],
  ])[];
}

const USER = `insert into users (id, username, password_hash) values ('${ID}', 'ann', '${SECRET}')`;

const CASES: readonly Case[] = [
  {
    table: "models",
    insert: `insert into models (id, name, version, size, hash) values ('${ID}', 'm', 'v', 1, 'h')`,
    row: { id: ID, name: "m", version: "v", size: 1, hash: "h", status: "active", tags: [] },
    named: { id: ID, name: "m" },
    changes: [
      ["version", "'w'", ["v", "w"]],
      ["size", "2", [1, 2]],
      ["hash", "'i'", ["h", "i"]],
      ["content_type", "'x'", ["application/octet-stream", "x"]],
      ["description", "'d'", [null, "d"]],
      ["tags", `'["a"]'`, [[], ["a"]]],
      [
        "parameters",
        `'{"b": {"a": 1, "secret": "${SECRET}"}}'`,
        [{}, { b: { a: 1, secret: HIDDEN } }],
      ],
      ["created_by", "'bob'", [null, "bob"]],
      ["status", "'deprecated'", ["active", "deprecated"]],
      ["replicas_wanted", "3", [null, 3]],
      ["accessed_at", "now()"],
      ["updated_at", "now()"],
    ],
  },
  {
    table: "nodes",
    insert: `insert into nodes (id, peer_id, name) values ('${ID}', '${PEER}', 'n')`,
    row: { id: ID, peer_id: PEER, name: "n", status: "active", last_heartbeat: null },
    named: { id: ID, peer_id: PEER, name: "n" },
    changes: [
      ["region", "'eu'", [null, "eu"]],
      ["zone", "'a'", [null, "a"]],
      ["version", "'1'", [null, "1"]],
      ["status", "'draining'", ["active", "draining"]],
      ["address", "'10.0.0.1'"],
      ["port", "1"],
      ["multiaddrs", "'{a}'"],
      ["api_url", "'u'"],
      ["capabilities", `'{"a": 1}'`],
      ["resources", `'{"a": 1}'`],
      ["incarnation", "7"],
      ["last_heartbeat", "now()"],
      ["updated_at", "now()"],
    ],
  },
  {
    table: "users",
    insert: USER,
    row: { id: ID, username: "ann", password_hash: HIDDEN, email: null, roles: ["user"] },
    named: { id: ID, username: "ann" },
    changes: [
      ["email", "'a@b'", [null, "a@b"]],
      ["password_hash", `'new ${SECRET}'`, [HIDDEN, HIDDEN]],
      ["roles", "'{admin}'", [["user"], ["admin"]]],
      ["permissions", "'{p}'", [[], ["p"]]],
      ["active", "false", [true, false]],
      ["metadata", `'[{"totp": {"Secret": ["${SECRET}"]}}]'`, [{}, [{ totp: { Secret: HIDDEN } }]]],
      ["last_login", "now()"],
      ["updated_at", "now()"],
    ],
  },
  {
    table: "api_keys",
    before: USER,
    insert: `insert into api_keys (id, user_id, name, key_hash, prefix) values ('${ID}', '${ID}', 'k', '${SECRET}', 'om_1')`,
    row: { id: ID, user_id: ID, name: "k", key_hash: HIDDEN, prefix: "om_1", revoked_at: null },
    named: { id: ID, user_id: ID, name: "k" },
    changes: [
      ["key_hash", `'new ${SECRET}'`, [HIDDEN, HIDDEN]],
      ["prefix", "'om_2'", ["om_1", "om_2"]],
      ["permissions", "'{p}'", [[], ["p"]]],
      ["role", "'admin'", ["user", "admin"]],
      ["expires_at", "'infinity'", [null, "infinity"]],
      ["revoked_at", "'-infinity'", [null, "-infinity"]],
      ["last_used", "now()"],
    ],
  },
  {
    table: "signing_keys",
    insert: `insert into signing_keys (id, public_jwk) values ('kid', '{"n": "1", "d": "${SECRET}"}')`,
    row: { id: "kid", node_id: null, public_jwk: HIDDEN },
    named: { id: "kid", node_id: null },
    changes: [
      ["public_jwk", `'{"d": "new ${SECRET}"}'`, [HIDDEN, HIDDEN]],
      ["expires_at", "'infinity'", [null, "infinity"]],
    ],
  },
  {
    table: "cluster_settings",
    insert: `insert into cluster_settings (name, value) values ('s', '["${SECRET}"]')`,
    row: { name: "s", value: HIDDEN },
    named: { name: "s" },
    changes: [
      ["value", `'"new ${SECRET}"'`, [HIDDEN, HIDDEN]],
      ["updated_at", "now()"],
    ],
  },
];

/** Not one of their rows is worth one: see 0003_audit.sql. */
const WITHOUT = [
  "model_replicas",
  "leases",
  "inference_requests",
  "audit_log",
  "schema_migrations",
];

onEachPostgres((t, server) => {
  for (const { table, before, insert, row, named, changes } of CASES) {
    t.test(`${table}: who it was, and what`, async (t) => {
      await using pool = openPool(await server.database());
      const { sql } = pool;
      if (before) await sql.unsafe(before);
      await logged(sql);
      await sql.unsafe(insert);
      const [inserted, ...more] = await logged(sql);
      t.same(more, []);
      t.match(inserted, { table_name: table, operation: "INSERT", old_values: null });
      t.match(inserted?.new_values, row);

      for (const [column, value, change] of changes) {
        await sql.unsafe(`update ${table} set ${column} = ${value}`);
        const expected = change && [
          {
            table_name: table,
            operation: "UPDATE",
            old_values: { ...named, [column]: change[0] },
            new_values: { ...named, [column]: change[1] },
            user_id: null,
          },
        ];
        t.same(await logged(sql), expected ?? [], column);
      }
      const columns = await sql<{ column: string }[]>`
        select column_name as column from information_schema.columns where table_name = ${table}`;
      const tried = [...changes.map(([column]) => column), ...Object.keys(named)];
      const others = columns
        .map(({ column }) => column)
        .filter((column) => !tried.includes(column));
      t.same(
        others.filter((column) => !["search", "created_at"].includes(column)),
        [],
      );

      await sql.unsafe(`update ${table} set created_at = created_at`);
      t.same(await logged(sql), [], "the same again is no change");
      await sql.unsafe(`delete from ${table}`);
      const [deleted] = await logged(sql);
      t.match(deleted, { table_name: table, operation: "DELETE", new_values: null });
      t.match(deleted?.old_values, named);
      t.ok(deleted?.old_values?.["created_at"], "the whole row");
      t.notMatch(JSON.stringify(deleted), SECRET);
      await sql.unsafe(`truncate ${table} cascade`);
      const truncated = await logged(sql);
      t.match(
        truncated.find(({ table_name }) => table_name === table),
        { operation: "TRUNCATE" },
      );
    });
  }

  t.test("no table is forgotten", async (t) => {
    await using pool = openPool(await server.database());
    const rows = await pool.sql<{ table: string }[]>`
      select tablename as table from pg_tables where schemaname = 'public'`;
    const known = [...CASES.map(({ table }) => table), ...WITHOUT];
    t.same(rows.map(({ table }) => table).sort(), known.sort());
  });

  t.test("what is hidden is what the reader would hide", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    const key = fc.oneof(
      fc.constantFrom("password", "apiKey", "api_key", "PRIVATE", "x-token", "hash", "plain", ""),
      fc.string(),
    );
    const value = fc.jsonValue({ maxDepth: 6 }).map((json) => JSON.parse(JSON.stringify(json)));
    const document = fc.dictionary(key, fc.oneof(value, fc.dictionary(key, value)));
    await fc.assert(
      fc.asyncProperty(document, async (metadata) => {
        const text = JSON.stringify(metadata).replaceAll("\\u0000", "").toWellFormed();
        const clean = /\\ud[89a-f]/i.test(text) ? "{}" : text;
        const [row] = await sql<{ hidden: unknown; plain: unknown }[]>`
          select audit_hide(${clean}::text::jsonb, '{}', 0) as hidden, ${clean}::text::jsonb as plain`;
        return (
          JSON.stringify(sorted(row?.hidden)) ===
          JSON.stringify(sorted(withoutSecrets("users", row?.plain)))
        );
      }),
      { seed: 1, numRuns: 200 },
    );
    const deep = `${'{"a":['.repeat(3_000)}{"password":"${SECRET}"}${"]}".repeat(3_000)}`;
    await sql`insert into users (username, password_hash, metadata) values ('deep', 'h', ${deep}::text::jsonb)`;
    t.notMatch(JSON.stringify(await logged(sql)), SECRET);
  });

  t.test("the cluster's keys are not in it, who is shut out is", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    const keys = [...(await rotateClusterKey(sql)), ...(await rotateClusterKey(sql))];
    await denyNode(sql, PEER);
    await denyNode(sql, PEER);
    const log = await logged(sql);
    t.same(
      log.map(({ operation, new_values }) => [
        operation,
        new_values?.["name"],
        new_values?.["value"],
      ]),
      [
        ["INSERT", "cluster_keys", HIDDEN],
        ["UPDATE", "cluster_keys", HIDDEN],
        ["INSERT", "denied_nodes", [PEER]],
        ["UPDATE", "cluster_keys", HIDDEN],
        ["UPDATE", "cluster_keys", HIDDEN],
      ],
    );
    for (const key of keys) t.notOk(JSON.stringify(log).includes(key));
  });

  t.test("the acting user is kept for one transaction; garbage is nobody", async (t) => {
    await using pool = openPool({ ...(await server.database()), connectionsMax: 1 });
    const { sql } = pool;
    const act = async (user: string | undefined): Promise<string | null | undefined> => {
      await transaction(sql, async (tx) => {
        if (user !== undefined) await actAs(tx, user);
        await tx`insert into cluster_settings (name, value) values ('s', '1')`;
      });
      const [change] = await logged(sql);
      await sql`delete from cluster_settings`;
      await logged(sql);
      return change?.user_id;
    };
    t.equal(await act(ID), ID);
    t.equal(await act(undefined), null, "the next one is not theirs");
    for (const garbage of ["", "ann", "'; drop table users; --", `${ID}0`, `{${ID}}`, `${ID}\n`]) {
      t.equal(await act(garbage), null, JSON.stringify(garbage));
    }
    t.equal(await act(OTHER_ID.toUpperCase()), OTHER_ID);
  });

  t.test("what nodes write all the time is not logged, what they decide is", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    const node: NodeRow = { ...testNodeView(1), status: "active" };
    const rowId = (await upsertNode(sql, node)) ?? "";
    await upsertModel(sql, testModel("a"));
    t.same(
      (await logged(sql)).map(({ table_name }) => table_name),
      ["nodes", "models"],
    );

    for (const freeDiskBytes of [1, 2, 3]) {
      await upsertNode(sql, {
        ...node,
        freeDiskBytes,
        multiaddrs: [`/ip4/10.0.0.${freeDiskBytes}/tcp/1`],
      });
      const replicas = [{ record: testModel("a"), state: "ready" as const }];
      await writeOwnReplicas(sql, { rowId, incarnation: 1n }, replicas);
      await writeOwnReplicas(sql, { rowId, incarnation: 1n }, []);
    }
    t.same(await logged(sql), []);
    await sql`insert into leases (name, holder, token, expires_at) values ('l', 'h', 1, 'infinity')`;
    await markNode(sql, { ...node, status: "failed" }, { name: "l", token: 1n });
    t.match(await logged(sql), [
      {
        table_name: "nodes",
        operation: "UPDATE",
        old_values: { status: "active" },
        new_values: { status: "failed" },
      },
    ]);
  });

  t.test("what is not done is not logged", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    const failing = transaction(sql, async (tx) => {
      await tx.unsafe(USER);
      throw new RangeError("undone");
    });
    await t.rejects(failing, RangeError);
    await sql`insert into users (username, password_hash) values ('bob', 'h')`;
    t.equal((await logged(sql)).length, 1);
  });

  t.test("what a node saw another one do", async (t) => {
    await using pool = openPool(await server.database());
    const details = { peer: PEER, problem: "wrong bytes" };
    await recordEvent(pool.sql, { table: "model_replicas", operation: "BAD_PEER", details });
    t.match(await logged(pool.sql), [
      { table_name: "model_replicas", operation: "BAD_PEER", new_values: details, user_id: null },
    ]);
  });
});

function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, part]) => [key, sorted(part)]),
  );
}
