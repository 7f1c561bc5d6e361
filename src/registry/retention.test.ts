import { onEachPostgres, openPool } from "../../test/fixtures/postgres.ts";
import { testNodeId, testNodeView } from "../../test/fixtures/registry-rows.ts";
import { systemClock } from "../core/clock.ts";
import type { Cleanup, Fence } from "../core/jobs.ts";
import type { NodeView } from "../core/node-view.ts";
import type { Sql } from "./connect.ts";
import type { PoolOptions } from "./options.ts";
import { Pool } from "./pool.ts";
import { removeRequests } from "./retention.ts";
import { cleanups } from "./retention-cleanups.ts";

const FENCE: Fence = { name: "leader", token: 7n };
const o = { signal: new AbortController().signal };

/** A database with a leader of the fence's token. */
async function open(options: PoolOptions, nodes: readonly NodeView[] = []) {
  const pool = new Pool(options, { clock: systemClock });
  const { sql } = pool;
  await sql`insert into leases (name, holder, token, expires_at) values ('leader', 'x', 7, 'infinity')`;
  const all = cleanups(
    { requestsDays: 30, auditDays: 90 },
    { registry: pool, view: { nodes: () => nodes } },
  );
  const clean = async (name: Cleanup["name"], fence = FENCE): Promise<number> =>
    (await all.find((cleanup) => cleanup.name === name)?.remove(fence, o)) ?? -1;
  return { sql, clean, [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose]() };
}

async function names(sql: Sql, table: string, column: string): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    select ${sql(column)} as name from ${sql(table)} order by 1`;
  return rows.map(({ name }) => name);
}

onEachPostgres((t, server) => {
  t.test("requests and changes go when they are too old, and not a moment earlier", async (t) => {
    await using db = await open(await server.database());
    const { sql, clean } = db;
    await sql`insert into inference_requests (request_id, model_name, status, created_at)
      select days || ' ' || status, 'm', status, now() - days * interval '1 day' + minutes * interval '1 minute'
      from (values (0, 0), (29, 0), (30, 5), (30, -5), (31, 0), (4000, 0)) as ages (days, minutes),
        (values ('completed'), ('pending')) as statuses (status)`;
    t.equal(await clean("requests"), 6);
    t.same(await names(sql, "inference_requests", "request_id"), [
      ...["0 completed", "0 pending", "29 completed", "29 pending", "30 completed", "30 pending"],
    ]);
    t.equal(await clean("requests"), 0);

    await sql`delete from audit_log`;
    await sql`insert into audit_log (table_name, operation, "timestamp")
      select days::text, 'INSERT', now() - days * interval '1 day' from unnest(array[1, 89, 91, 365]) as days`;
    t.equal(await clean("audit"), 2);
    t.same(await names(sql, "audit_log", "table_name"), ["1", "89"]);
  });

  t.test("a batch is bounded, the oldest first", async (t) => {
    await using db = await open(await server.database());
    const { sql } = db;
    await sql`insert into inference_requests (request_id, model_name, created_at)
      select lpad(days::text, 3, '0'), 'm', now() - days * interval '1 day' from generate_series(1, 100) as days`;
    const removed: number[] = [];
    for (let count = -1; count !== 0; removed.push(count)) {
      count = await removeRequests(sql, 30, { fence: FENCE, rowsMax: 30 });
      const left = await names(sql, "inference_requests", "request_id");
      t.equal(left.at(-1), String(left.length).padStart(3, "0"));
    }
    t.same(removed, [30, 30, 11, 0]);
  });

  t.test("nodes that are gone go with their replicas; who may come back stays", async (t) => {
    const alive = testNodeView(6);
    await using db = await open(await server.database(), [testNodeView(1, { self: true }), alive]);
    const { sql, clean } = db;
    await sql`insert into models (name, version, size, hash) values ('m', 'v', 1, 'h')`;
    await sql`alter table nodes disable trigger nodes_updated_at`;
    const nodes: [status: string, heardDays: number | null, updatedDays: number][] = [
      ["active", 0, 0],
      ["offline", 8, 8],
      ["failed", 8, 8],
      ["offline", 8, 6],
      ["offline", 6, 8],
      ["offline", 8, 8],
      ["draining", 100, 100],
      ["offline", null, 8],
      ["offline", null, 6],
    ];
    for (const [index, [status, heard, updated]] of nodes.entries()) {
      await sql`with node as (insert into nodes (peer_id, status, last_heartbeat, updated_at) values
          (${testNodeId(index + 1)}, ${status}, now() - ${heard}::int * interval '1 day', now() - ${updated} * interval '1 day')
          returning id)
        insert into model_replicas (model_id, node_id, replica_path) select models.id, node.id, 'p' from models, node`;
    }
    t.equal(await clean("nodes"), 3);
    const left = [1, 4, 5, 6, 7, 9].map(testNodeId);
    t.same(await names(sql, "nodes", "peer_id"), left, "2, 3 and 8 have gone; 6 lives");
    t.same((await sql`select 1 from model_replicas`).length, left.length);
    const changes = await sql`
      select old_values ->> 'peer_id' as id from audit_log where table_name = 'nodes' and operation = 'DELETE' order by 1`;
    t.same(
      changes.map(({ id }) => id),
      [2, 3, 8].map(testNodeId),
      "and the log knows",
    );
    t.equal(await clean("nodes"), 0);
  });

  t.test("replicas that nobody holds any more", async (t) => {
    await using db = await open(await server.database());
    const { sql, clean } = db;
    await sql`insert into nodes (peer_id, status) values ('here', 'active'), ('away', 'offline')`;
    await sql`insert into models (name, version, size, hash, status)
      values ('kept', 'v', 1, 'h', 'active'), ('dropped', 'v', 1, 'h', 'deleted')`;
    for (const [status, days] of [
      ["ready", 400],
      ["syncing", 400],
      ["deleted", 8],
      ["deleted", 6],
    ] as const) {
      await sql`delete from model_replicas`;
      await sql`insert into model_replicas (model_id, node_id, replica_path, status, updated_at)
        select models.id, nodes.id, models.name || ' ' || peer_id, ${status}, now() - ${days} * interval '1 day'
        from models, nodes`;
      const removed = await clean("replicas");
      const left = await names(sql, "model_replicas", "replica_path");
      const orphaned = status === "deleted" ? (days === 8 ? 4 : 0) : 1;
      t.equal(removed, orphaned, `${status} for ${days} days`);
      t.equal(left.length, 4 - orphaned);
      if (orphaned === 1) t.notOk(left.includes("dropped away"), "deleted while the node was away");
    }
  });

  t.test("keys that ran out or were revoked", async (t) => {
    await using db = await open(await server.database());
    const { sql, clean } = db;
    await sql`insert into users (username, password_hash) values ('ann', 'h')`;
    const keys: [name: string, expires: string | null, revoked: string | null][] = [
      ["expired", "-8 days", null],
      ["expired lately", "-6 days", null],
      ["for ever", null, null],
      ["infinite", "infinity", null],
      ["revoked", null, "-8 days"],
      ["revoked lately", null, "-6 days"],
      ["valid", "8 days", null],
    ];
    for (const [name, expires, revoked] of keys) {
      await sql`insert into api_keys (user_id, name, key_hash, prefix, expires_at, revoked_at)
        select id, ${name}, ${name}, 'p', case when ${expires}::text = 'infinity' then 'infinity' else now() + nullif(${expires}::text, 'infinity')::interval end,
          now() + ${revoked}::interval from users`;
      await sql`insert into signing_keys (id, public_jwk, expires_at)
        values (${name}, '{}', case when ${expires}::text = 'infinity' then 'infinity' else now() + nullif(${expires}::text, 'infinity')::interval end)`;
    }
    t.equal(await clean("keys"), 3);
    t.same(await names(sql, "api_keys", "name"), [
      ...["expired lately", "for ever", "infinite", "revoked lately", "valid"],
    ]);
    t.same(await names(sql, "signing_keys", "id"), [
      ...["expired lately", "for ever", "infinite", "revoked", "revoked lately", "valid"],
    ]);
    t.equal(await clean("keys"), 0);
  });

  t.test("a leader of another term, or of one that ran out, removes nothing", async (t) => {
    const options = await server.database();
    await using db = await open(options);
    const { sql, clean } = db;
    await using other = openPool(options);
    await other.sql`insert into users (username, password_hash) values ('ann', 'h')`;
    await other.sql`insert into nodes (peer_id, status) values (${testNodeId(1)}, 'offline'), ('here', 'active')`;
    await other.sql`insert into models (name, version, size, hash) values ('m', 'v', 1, 'h')`;
    await other.sql`insert into model_replicas (model_id, node_id, replica_path, status, updated_at)
      select models.id, nodes.id, 'p', 'deleted', '2020-01-01' from models, nodes where peer_id = 'here'`;
    await other.sql`alter table nodes disable trigger nodes_updated_at`;
    await other.sql`update nodes set updated_at = '2020-01-01'`;
    await other.sql`insert into inference_requests (request_id, model_name, created_at) values ('r', 'm', '2020-01-01')`;
    await other.sql`insert into signing_keys (id, public_jwk, expires_at) values ('k', '{}', '2020-01-01')`;
    await other.sql`update audit_log set "timestamp" = '2020-01-01'`;

    const all = ["requests", "nodes", "replicas", "keys", "audit"] as const;
    for (const fence of [
      { ...FENCE, token: 6n },
      { ...FENCE, token: 8n },
      { ...FENCE, name: "x" },
    ]) {
      for (const name of all)
        t.equal(await clean(name, fence), 0, `${name} ${fence.name} ${fence.token}`);
    }
    await sql`update leases set expires_at = now()`;
    for (const name of all) t.equal(await clean(name), 0, `${name}, run out`);
    await sql`update leases set expires_at = 'infinity'`;
    for (const name of all) t.ok((await clean(name)) > 0, name);
  });
});
