import { onEachPostgres, openPool } from "../../test/fixtures/postgres.ts";
import { testModel, testNodeId, testNodeView } from "../../test/fixtures/registry-rows.ts";
import type { LegacyModel } from "../core/legacy-model.ts";
import { importLegacyRows, tryLegacyRows } from "./legacy-import.ts";
import { upsertModel } from "./models.ts";
import { upsertNode } from "./nodes.ts";

const row = (model: string, changes: Partial<LegacyModel> = {}): LegacyModel => ({
  key: `models/${model}`,
  name: `registry.ollama.ai/library/${model}:latest`,
  version: "v1",
  sizeBytes: 5_000_000_000,
  hash: "ab".repeat(32),
  contentType: "application/vnd.ollama.image.model",
  description: "a small one",
  tags: ["chat"],
  attributes: { family: "llama" },
  createdAt: "2025-01-31T12:00:00.000Z",
  updatedAt: undefined,
  accessedAt: undefined,
  replicas: [],
  ...changes,
});

onEachPostgres((t, server) => {
  t.test("rows are written once, with everything that the old store knew", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    const rows = [row("b"), row("a", { createdAt: undefined, description: undefined, tags: [] })];
    const nothing = { replicas: 0, refused: [] };
    t.same(await tryLegacyRows(sql, rows), { imported: 2, present: 0, ...nothing });
    t.same(await sql`select 1 from models`.then((found) => found.length), 0);
    t.same(await importLegacyRows(sql, rows), { imported: 2, present: 0, ...nothing });
    t.same(await importLegacyRows(sql, rows), { imported: 0, present: 2, ...nothing });
    t.same(await tryLegacyRows(sql, rows), { imported: 0, present: 2, ...nothing });
    const [b] = await sql`select * from models where name like '%/b:latest'`;
    t.match(b, {
      version: "v1",
      size: 5_000_000_000n,
      hash: "ab".repeat(32),
      content_type: "application/vnd.ollama.image.model",
      description: "a small one",
      tags: ["chat"],
      parameters: { legacyKey: "models/b", attributes: { family: "llama" } },
      created_by: "import-leveldb",
      created_at: new Date("2025-01-31T12:00:00Z"),
      updated_at: new Date("2025-01-31T12:00:00Z"),
      status: "active",
    });
  });

  t.test("what a node has recorded stays, and the entry has a reason", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    const record = testModel("a");
    await upsertModel(sql, record);
    const same = row("a", { hash: record.manifest, sizeBytes: record.sizeBytes });
    t.match(await importLegacyRows(sql, [same]), { imported: 0, present: 1, refused: [] });
    for (const other of [row("a"), { ...same, sizeBytes: 1 }]) {
      t.match(await importLegacyRows(sql, [other, row("b")]), {
        refused: [{ key: "models/a", reason: "NAME_TAKEN", detail: RegExp(record.manifest) }],
      });
      t.match(await tryLegacyRows(sql, [other]), { refused: [{ reason: "NAME_TAKEN" }] });
    }
    const [kept] = await sql`select hash, created_by from models where name like '%/a:latest'`;
    t.match(kept, { hash: record.manifest, created_by: null });
  });

  t.test("replicas on nodes that the registry knows; the others are told", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    for (const number of [1, 2, 3]) {
      const name = number === 3 ? "node-2" : `node-${number}`;
      await upsertNode(sql, { ...testNodeView(number, { name }), status: "active" });
    }
    const named = [testNodeId(3), "node-1", "node-2", "elsewhere", "node-1"];
    const replicas = named.map((node) => ({ node, path: undefined }));
    const rows = [row("a", { replicas }), row("b", { replicas: [{ node: "node-1", path: "/x" }] })];
    const strangers = [
      { key: "models/a", reason: "UNKNOWN_NODE", detail: /on "node-2": the registry/ },
      { key: "models/a", reason: "UNKNOWN_NODE", detail: /on "elsewhere": the registry/ },
    ];
    const outcome = { imported: 2, replicas: 3, refused: strangers };
    t.match(await tryLegacyRows(sql, rows), outcome);
    t.same((await sql`select 1 from model_replicas`).length, 0);
    t.match(await importLegacyRows(sql, rows), outcome);
    t.match(await tryLegacyRows(sql, rows), { ...outcome, imported: 0, replicas: 0 });
    t.match(await importLegacyRows(sql, rows), { present: 2, replicas: 0, refused: strangers });
    const found = await sql`
      select peer_id, replica_path, model_replicas.status, models.name from model_replicas
        join models on models.id = model_id join nodes on nodes.id = node_id order by models.name, peer_id`;
    t.match(
      [...found],
      [
        { peer_id: testNodeId(1), status: "syncing" },
        { peer_id: testNodeId(3), status: "syncing" },
        { peer_id: testNodeId(1), replica_path: "/x", name: /\/b:latest/ },
      ],
    );
    await sql`update model_replicas set status = 'ready'`;
    await importLegacyRows(sql, rows);
    t.same((await sql`select 1 from model_replicas where status <> 'ready'`).length, 0);
  });

  t.test("a row that the database refuses keeps no other out", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    const many = Array.from({ length: 100 }, (_, number) => row(`m${number}`));
    const bad = [
      row("x", { description: "a\0b" }),
      row("y", { sizeBytes: -1 }),
      row("z", { version: "v".repeat(51) }),
    ];
    const outcome = await importLegacyRows(sql, [...many.slice(0, 50), ...bad, ...many.slice(50)]);
    t.match(outcome, { imported: 100, present: 0 });
    t.same(
      outcome.refused.map(({ key, reason }) => [key, reason]),
      [
        ["models/x", "REFUSED"],
        ["models/y", "REFUSED"],
        ["models/z", "REFUSED"],
      ],
    );
  });

  t.test("two imports at once end with each row once", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    const rows = Array.from({ length: 200 }, (_, number) => row(`m${number}`));
    const outcomes = await Promise.all([
      importLegacyRows(sql, rows),
      importLegacyRows(sql, rows.toReversed()),
    ]);
    t.equal(outcomes[0].imported + outcomes[1].imported, 200);
    t.equal(outcomes[0].present + outcomes[1].present, 200);
    t.same((await sql`select 1 from models`).length, 200);
  });
});
