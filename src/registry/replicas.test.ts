import { onEachPostgres, openPool } from "../../test/fixtures/postgres.ts";
import { testModel, testNodeView } from "../../test/fixtures/registry-rows.ts";
import { manifestDigestOf } from "../core/digest.ts";
import type { Sql } from "./connect.ts";
import { upsertNode } from "./nodes.ts";
import { type OwnReplica, writeOwnReplicas } from "./replicas.ts";

interface Row {
  readonly rowId: string;
  readonly incarnation: bigint;
}

async function addNode(sql: Sql, number: number, incarnation = 1n): Promise<Row> {
  const rowId = await upsertNode(sql, {
    ...testNodeView(number, { incarnation }),
    status: "active",
  });
  if (rowId === undefined) throw new Error("no row");
  return { rowId, incarnation };
}

function own(model: string, state: OwnReplica["state"] = "ready"): OwnReplica {
  return { record: testModel(model), state };
}

/** As "model state" in the order of names. */
async function held(sql: Sql, { rowId }: Row): Promise<string[]> {
  const rows = await sql`
    select split_part(name, '/', 3) || ' ' || r.status as line
    from model_replicas r join models m on m.id = r.model_id
    where node_id = ${rowId} order by name`;
  return rows.map(({ line }) => line);
}

onEachPostgres((t, server) => {
  t.test("the rows become what the node holds; what it dropped stays as deleted", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    const node = await addNode(sql, 1);
    await writeOwnReplicas(sql, node, [own("b"), own("a", "syncing")]);
    t.same(await held(sql, node), ["a:latest syncing", "b:latest ready"]);
    await writeOwnReplicas(sql, node, [own("a"), own("c", "failed")]);
    t.same(await held(sql, node), ["a:latest ready", "b:latest deleted", "c:latest failed"]);
    await writeOwnReplicas(sql, node, [own("b")]);
    t.same(await held(sql, node), ["a:latest deleted", "b:latest ready", "c:latest deleted"]);
    await writeOwnReplicas(sql, node, []);
    t.same(await held(sql, node), ["a:latest deleted", "b:latest deleted", "c:latest deleted"]);
  });

  t.test("a replica's row says which bytes it has", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    const node = await addNode(sql, 1);
    const { record } = own("m");
    await writeOwnReplicas(sql, node, [own("m")]);
    const read = async () => ({
      ...(
        await sql`select replica_path, replica_hash, replica_size, xmin::text from model_replicas`
      )[0],
    });
    const first = await read();
    t.match(first, {
      replica_path: record.name,
      replica_hash: record.manifest,
      replica_size: BigInt(record.sizeBytes),
    });
    await writeOwnReplicas(sql, node, [own("m")]);
    t.same(await read(), first, "nothing changed, nothing is written");
    const manifest = manifestDigestOf(Buffer.from("other"));
    await writeOwnReplicas(sql, node, [
      { record: { ...record, manifest, sizeBytes: 1 }, state: "ready" },
    ]);
    t.match(await read(), { replica_hash: manifest, replica_size: 1n });
  });

  t.test("a node changes only its own rows", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    const [one, two] = [await addNode(sql, 1), await addNode(sql, 2)];
    await writeOwnReplicas(sql, one, [own("a"), own("b")]);
    await writeOwnReplicas(sql, two, [own("b", "failed")]);
    await writeOwnReplicas(sql, two, []);
    t.same(await held(sql, one), ["a:latest ready", "b:latest ready"]);
    t.same(await held(sql, two), ["b:latest deleted"]);
  });

  t.test("a model that the table cannot hold leaves the others as they are", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    const node = await addNode(sql, 1);
    const long = { ...own("x"), record: testModel("x", { name: "x".repeat(300) }) };
    await writeOwnReplicas(sql, node, [own("a"), long, own("z")]);
    t.same(await held(sql, node), ["a:latest ready", "z:latest ready"]);
  });

  t.test("a node whose row has gone, or belongs to its successor, writes nothing", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    const old = await addNode(sql, 1);
    const successor = await addNode(sql, 1, 2n);
    t.equal(await writeOwnReplicas(sql, successor, [own("b")]), true);
    t.equal(await writeOwnReplicas(sql, old, [own("a")]), false);
    t.same(await held(sql, successor), ["b:latest ready"]);
    await sql`delete from nodes`;
    t.equal(await writeOwnReplicas(sql, successor, [own("a")]), false);
    t.match(await sql`select name from models`, [{ name: own("b").record.name }], "no orphan");
  });

  t.test(
    "many nodes write the same new models in any order, and none waits in a circle",
    async (t) => {
      const options = await server.database();
      await using pool = openPool({ ...options, connectionsMax: 8 });
      const { sql } = pool;
      const names = Array.from({ length: 12 }, (_, number) => `model-${number}`);
      const nodes = await Promise.all(
        [1, 2, 3, 4, 5, 6, 7, 8].map((number) => addNode(sql, number)),
      );
      await Promise.all(
        nodes.map(async (node, turn) => {
          const replicas = [...names.slice(turn), ...names.slice(0, turn)].map((name) => own(name));
          await writeOwnReplicas(sql, node, replicas);
        }),
      );
      const [row] =
        await sql`select count(*)::int as count from model_replicas where status = 'ready'`;
      t.match(row, { count: 96 });
    },
  );

  t.test(
    "two processes of one node, the old one still dying, do not wait in a circle",
    async (t) => {
      await using pool = openPool({ ...(await server.database()), connectionsMax: 8 });
      const { sql } = pool;
      const node = await addNode(sql, 1);
      const lists = [["a", "b", "c"], ["b", "c", "d"], ["c", "d", "a"], ["d"], []];
      for (const _round of [1, 2, 3, 4, 5]) {
        await Promise.all(
          lists.map((names) =>
            writeOwnReplicas(
              sql,
              node,
              names.map((name) => own(name)),
            ),
          ),
        );
      }
      const shown = (await held(sql, node)).filter((line) => line.endsWith("ready"));
      const possible = lists.map((names) => names.map((name) => `${name}:latest ready`));
      t.ok(
        possible.some((list) => JSON.stringify(list.sort()) === JSON.stringify(shown)),
        `${shown}`,
      );
    },
  );
});
