import fc from "fast-check";
import {
  bytewise,
  given,
  holds,
  is,
  isModelPattern,
  isPattern,
  lookedFor,
  maybe,
  modelNames,
  sampleOf,
  stored,
} from "../../../test/fixtures/hostile-filters.ts";
import { onEachPostgres, openPool } from "../../../test/fixtures/postgres.ts";
import type { AuditFilter, NodeFilter, ReplicaFilter, RequestFilter } from "../../core/catalog.ts";
import {
  NODE_STATUSES,
  REPLICA_STATUSES,
  REQUEST_STATUSES,
  STRATEGIES,
} from "../../core/catalog.ts";
import type { Sql } from "../connect.ts";
import { changePage } from "./changes.ts";
import { nodePage } from "./nodes.ts";
import { replicaPage } from "./replicas.ts";
import { requestPage } from "./requests.ts";

onEachPostgres((t, server) => {
  const insert = async (sql: Sql, table: string, rows: readonly object[]): Promise<void> => {
    await sql`insert into ${sql(table)} select * from jsonb_populate_recordset(null::${sql(table)}, ${JSON.stringify(rows)}::text::jsonb)`;
  };

  t.test("nodes and replicas", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    const text255 = stored;
    const nodes = sampleOf(
      fc.record({
        peer: stored,
        name: fc.option(text255),
        region: fc.option(text255),
        zone: fc.option(text255),
        status: fc.constantFrom(...NODE_STATUSES),
      }),
    ).filter(({ peer }, index, all) => all.findIndex((other) => other.peer === peer) === index);
    for (const { peer, name, region, zone, status } of nodes) {
      await sql`insert into nodes (peer_id, name, region, zone, status) values (${peer}, ${name}, ${region}, ${zone}, ${status})`;
    }
    const nodeFilters = fc
      .record({
        name: maybe(lookedFor(nodes.map(({ name }) => name))),
        region: maybe(lookedFor(nodes.map(({ region }) => region))),
        zone: maybe(lookedFor(nodes.map(({ zone }) => zone))),
        status: maybe(fc.constantFrom(...NODE_STATUSES)),
      })
      .map((filter): NodeFilter => given(filter));
    const expectedNodes = (filter: NodeFilter): string[] =>
      nodes
        .filter(
          (node) =>
            isPattern(filter.name, node.name) &&
            is<string | null>(filter.region, node.region) &&
            is<string | null>(filter.zone, node.zone) &&
            is<string>(filter.status, node.status),
        )
        .map(({ peer }) => peer)
        .sort(bytewise);
    await holds(nodePage, sql, nodeFilters, expectedNodes, ({ id }) => id);

    const names = [...new Set(sampleOf(stored))];
    for (const name of names)
      await sql`insert into models (name, version, size, hash) values (${name}, 'v', 1, 'h')`;
    await sql`
      insert into model_replicas (model_id, node_id, replica_path, status)
      select models.id, nodes.id, '', (array['syncing', 'ready', 'failed', 'deleted'])[1 + abs(hashtext(models.name || peer_id)) % 4]
      from models, nodes where abs(hashtext(peer_id || models.name)) % 20 = 0`;
    const replicas = await sql<{ model: string; node: string; status: string }[]>`
      select models.name as model, peer_id as node, model_replicas.status from model_replicas
      join models on models.id = model_id join nodes on nodes.id = node_id order by model_id, node_id`;
    t.ok(replicas.length > 0);
    const replicaFilters = fc
      .record({
        model: maybe(lookedFor(names)),
        node: maybe(lookedFor(nodes.map(({ peer }) => peer))),
        status: maybe(fc.constantFrom(...REPLICA_STATUSES)),
      })
      .map((filter): ReplicaFilter => given(filter));
    const keyOf = ({ model, node }: { model: string; node: string }) =>
      JSON.stringify([model, node]);
    const expectedReplicas = (filter: ReplicaFilter): string[] =>
      replicas
        .filter(
          (replica) =>
            isModelPattern(filter.model, replica.model) &&
            is(filter.node, replica.node) &&
            is<string>(filter.status, replica.status),
        )
        .map(keyOf);
    await holds(replicaPage, sql, replicaFilters, expectedReplicas, keyOf);
  });

  t.test("requests, some at the same microsecond", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    const requests = sampleOf(
      fc.record({
        id: fc.uuid(),
        request_id: stored,
        model_name: stored,
        nodes_used: fc.array(stored, { maxLength: 3 }),
        partition_strategy: fc.option(fc.constantFrom(...STRATEGIES)),
        status: fc.constantFrom(...REQUEST_STATUSES),
        created_at: fc
          .nat(20)
          .map((us) => `2026-11-23T10:00:00.${String(123_450 + us).padStart(6, "0")}Z`),
        metadata: fc.constant({}),
      }),
    );
    await insert(sql, "inference_requests", requests);
    const filters = fc
      .record({
        model: maybe(lookedFor(requests.flatMap(({ model_name }) => modelNames(model_name)))),
        node: maybe(lookedFor(requests.flatMap(({ nodes_used }) => nodes_used))),
        requestId: maybe(lookedFor(requests.map(({ request_id }) => request_id))),
        status: maybe(fc.constantFrom(...REQUEST_STATUSES)),
        strategy: maybe(fc.constantFrom(...STRATEGIES)),
      })
      .map((filter): RequestFilter => given(filter));
    const expected = (filter: RequestFilter): string[] =>
      requests
        .filter(
          (row) =>
            isModelPattern(filter.model, row.model_name) &&
            (filter.node === undefined || row.nodes_used.includes(filter.node)) &&
            is(filter.requestId, row.request_id) &&
            is<string>(filter.status, row.status) &&
            is<string | null>(filter.strategy, row.partition_strategy),
        )
        .sort((a, b) => bytewise(b.created_at + b.id, a.created_at + a.id))
        .map(({ request_id, nodes_used }) => JSON.stringify([request_id, nodes_used]));
    const key = (row: { requestId: string; nodes: readonly string[] }): string =>
      JSON.stringify([row.requestId, row.nodes]);
    await holds(requestPage, sql, filters, expected, key);
    t.pass("as a plain filter");
  });

  t.test("the audit log", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    await sql`delete from audit_log`;
    const changes = sampleOf(
      fc.record({
        id: fc.uuid(),
        table_name: stored,
        operation: stored.map((value) => value.slice(0, 5).toWellFormed()),
        new_values: fc.record({ name: stored }),
        timestamp: fc
          .nat(20)
          .map((us) => `2026-11-23T10:00:00.${String(123_450 + us).padStart(6, "0")}Z`),
      }),
    );
    await insert(sql, "audit_log", changes);
    const filters = fc
      .record({
        table: maybe(lookedFor(changes.map(({ table_name }) => table_name))),
        operation: maybe(lookedFor(changes.map(({ operation }) => operation))),
      })
      .map((filter): AuditFilter => given(filter));
    const expected = (filter: AuditFilter): string[] =>
      changes
        .filter((row) => is(filter.table, row.table_name) && is(filter.operation, row.operation))
        .sort((a, b) => bytewise(b.timestamp + b.id, a.timestamp + a.id))
        .map((row) => JSON.stringify([row.table_name, row.operation, row.new_values]));
    await holds(changePage, sql, filters, expected, (row) =>
      JSON.stringify([row.table, row.operation, row.after]),
    );
    t.pass("as a plain filter");
  });
});
