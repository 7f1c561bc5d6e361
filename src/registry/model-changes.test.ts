import { onEachPostgres, openPool } from "../../test/fixtures/postgres.ts";
import { testModel } from "../../test/fixtures/registry-rows.ts";
import { transaction } from "./connect.ts";
import { recentModelChanges } from "./model-changes.ts";
import { upsertModel } from "./models.ts";

onEachPostgres((t, server) => {
  t.test("a change shows as soon as it is committed, and not before", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    t.same(await recentModelChanges(sql), []);
    const written = Promise.withResolvers<void>();
    const commit = Promise.withResolvers<void>();
    const slow = transaction(sql, async (tx) => {
      await upsertModel(tx, testModel("slow"));
      written.resolve();
      await commit.promise;
    });
    await written.promise;
    await upsertModel(sql, testModel("quick"));
    const [quick, ...more] = await recentModelChanges(sql);
    t.same(more, []);
    commit.resolve();
    await slow;
    const both = await recentModelChanges(sql);
    t.equal(both.length, 2);
    t.ok(quick !== undefined && both.includes(quick));
    await upsertModel(sql, testModel("quick"));
    t.same(await recentModelChanges(sql), both, "what is written again as it was is no change");
    await sql`update models set description = 'by hand' where name like '%quick%'`;
    t.equal((await recentModelChanges(sql)).length, 3);
  });
});
