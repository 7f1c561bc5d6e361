import { onEachPostgres, openPool } from "../../test/fixtures/postgres.ts";
import { testNodeId } from "../../test/fixtures/registry-rows.ts";
import { clusterKeys, deniedNodes, denyNode, rotateClusterKey } from "./cluster-settings.ts";

/** 32 bytes. */
const KEY = /^[\w-]{43}$/;

onEachPostgres((t, server) => {
  t.test("of many first nodes, one makes the key and all get it", async (t) => {
    await using pool = openPool({ ...(await server.database()), connectionsMax: 10 });
    const asked = Array.from({ length: 30 }, () => clusterKeys(pool.sql));
    const answers = await Promise.all(asked);
    const keys = new Set(answers.flat());
    t.equal(keys.size, 1);
    t.match([...keys][0], KEY);
    t.same(await clusterKeys(pool.sql), [...keys]);
  });

  t.test("a rotation puts a new key in front and keeps one", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    const [first] = await clusterKeys(sql);
    const [second, ...older] = await rotateClusterKey(sql);
    t.match(second, KEY);
    t.not(second, first);
    t.same(older, [first]);
    const third = await rotateClusterKey(sql);
    t.same(third.slice(1), [second]);
    t.same(await clusterKeys(sql), third);
  });

  t.test("rotations at the same moment follow one another", async (t) => {
    await using pool = openPool({ ...(await server.database()), connectionsMax: 10 });
    const { sql } = pool;
    await clusterKeys(sql);
    const rotations = await Promise.all(Array.from({ length: 10 }, () => rotateClusterKey(sql)));
    const fronts = rotations.map(([front]) => front);
    t.equal(new Set(fronts).size, 10);
    t.ok(rotations.every((keys) => keys.length === 2));
    // Each kept the front of another: none was lost on the way.
    t.equal(new Set(rotations.map(([, kept]) => kept)).size, 10);
    const last = await clusterKeys(sql);
    t.ok(rotations.some((keys) => keys.join() === last.join()));
  });

  t.test("first rotations at the same moment, with no key before", async (t) => {
    await using pool = openPool({ ...(await server.database()), connectionsMax: 10 });
    const { sql } = pool;
    const rotations = await Promise.all(Array.from({ length: 10 }, () => rotateClusterKey(sql)));
    const last = await clusterKeys(sql);
    t.ok(rotations.some((keys) => keys.join() === last.join()));
    t.equal(
      new Set(rotations.map(([, kept]) => kept)).size,
      10,
      "one kept nothing, the others each other's",
    );
  });

  t.test("shutting a node out leaves one new key, and the node's id for ever", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    await clusterKeys(sql);
    const before = await rotateClusterKey(sql);
    t.same(await deniedNodes(sql), []);
    await denyNode(sql, testNodeId(1));
    const [only, ...others] = await clusterKeys(sql);
    t.match(only, KEY);
    t.same(others, []);
    t.notOk(before.includes(only ?? ""));
    await denyNode(sql, testNodeId(2));
    await denyNode(sql, testNodeId(1));
    t.same(await deniedNodes(sql), [testNodeId(1), testNodeId(2)]);
  });

  t.test("nodes that are shut out at the same moment are all shut out", async (t) => {
    await using pool = openPool({ ...(await server.database()), connectionsMax: 10 });
    const ids = Array.from({ length: 10 }, (_, number) => testNodeId(number + 1));
    const settled = await Promise.allSettled([
      ...ids.map((id) => denyNode(pool.sql, id)),
      rotateClusterKey(pool.sql),
      clusterKeys(pool.sql),
    ]);
    t.same(
      settled.filter(({ status }) => status === "rejected"),
      [],
    );
    t.same([...(await deniedNodes(pool.sql))].sort(), ids.toSorted());
  });
});
