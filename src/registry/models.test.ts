import { onEachPostgres, openPool } from "../../test/fixtures/postgres.ts";
import { testModel } from "../../test/fixtures/registry-rows.ts";
import { manifestDigestOf } from "../core/digest.ts";
import type { ModelRecord } from "../core/model.ts";
import type { Sql } from "./connect.ts";
import { upsertModel } from "./models.ts";

const OTHER_MANIFEST = manifestDigestOf(Buffer.from("other"));

async function count(sql: Sql): Promise<number> {
  return (await sql`select from models`).length;
}

onEachPostgres((t, server) => {
  t.test("a model is one row, whoever holds it", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    const id = await upsertModel(sql, testModel("m"));
    t.equal(await upsertModel(sql, testModel("m")), id);
    t.not(await upsertModel(sql, testModel("n")), id);
    t.equal(await count(sql), 2);
    const [row] = await sql`
      select version, size, hash, status, parameters from models where id = ${id ?? ""}`;
    const { manifest, details, capabilities } = testModel("m");
    t.same(
      { ...row },
      {
        version: "latest",
        size: 5_000_000_000n,
        hash: manifest,
        status: "active",
        parameters: { details, capabilities },
      },
    );
  });

  t.test("a row that says the same already is not written again", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    await upsertModel(sql, testModel("m"));
    const version = async (): Promise<unknown> =>
      (await sql<{ xmin: string }[]>`select xmin::text from models`)[0]?.xmin;
    const before = await version();
    await upsertModel(sql, testModel("m", { modifiedAtMs: 1 }));
    t.equal(await version(), before);
    await upsertModel(sql, testModel("m", { manifest: OTHER_MANIFEST }));
    t.not(await version(), before);
  });

  t.test("a moved tag and a deleted row are brought up to date", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    const id = await upsertModel(sql, testModel("m"));
    await sql`update models set status = 'deleted', description = 'kept', replicas_wanted = 3`;
    const moved = testModel("m", { manifest: OTHER_MANIFEST, sizeBytes: 7 });
    t.equal(await upsertModel(sql, moved), id);
    t.match(await sql`select hash, size, status, description, replicas_wanted from models`, [
      { hash: OTHER_MANIFEST, size: 7n, status: "active", description: "kept", replicas_wanted: 3 },
    ]);
  });

  t.test("what an operator deprecated stays deprecated while nodes hold it", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    await upsertModel(sql, testModel("m"));
    await sql`update models set status = 'deprecated'`;
    await upsertModel(sql, testModel("m"));
    t.match(await sql`select status from models`, [{ status: "deprecated" }]);
  });

  t.test("many nodes that write one model at once get one row", async (t) => {
    await using pool = openPool({ ...(await server.database()), connectionsMax: 10 });
    const { sql } = pool;
    for (const name of ["a", "b", "c"]) {
      const asked = Array.from({ length: 20 }, () => upsertModel(sql, testModel(name)));
      const ids = new Set(await Promise.all(asked));
      t.equal(ids.size, 1);
      t.notOk(ids.has(undefined));
    }
    t.equal(await count(sql), 3);
  });

  t.test("hostile names and details", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    const named = async (name: string): Promise<string | undefined> =>
      await upsertModel(sql, testModel("m", { name }));
    t.equal(await named("a\0b"), undefined);
    t.equal(await named("a\ud800b"), undefined);
    t.equal(await named("n".repeat(256)), undefined);
    t.ok(await named("n".repeat(255)));
    t.ok(await named("'; drop table models; --"));
    t.ok(await named(""));
    t.equal(await count(sql), 3);
    const details: ModelRecord["details"] = {
      ...testModel("m").details,
      family: "a\0b\ud800\\u0000",
      families: ["\0", '"'],
    };
    const capabilities = ["x\0y"] as unknown as ModelRecord["capabilities"];
    const id = await upsertModel(sql, testModel("odd", { details, capabilities }));
    t.match(await sql`select parameters from models where id = ${id ?? ""}`, [
      {
        parameters: {
          details: { family: "ab\ufffd\\u0000", families: ["", '"'] },
          capabilities: ["xy"],
        },
      },
    ]);
  });

  t.test("the tag is the version, cut to its column", async (t) => {
    await using pool = openPool(await server.database());
    const tag = "t".repeat(80);
    await upsertModel(pool.sql, testModel("m", { name: `registry.ollama.ai/library/m:${tag}` }));
    t.match(await pool.sql`select version from models`, [{ version: "t".repeat(50) }]);
  });
});
