import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import { onEachPostgres, openPool, openRegistry, until } from "../../test/fixtures/postgres.ts";
import { recordingLog } from "../../test/fixtures/recording-log.ts";
import { testNodeId, testNodeView } from "../../test/fixtures/registry-rows.ts";
import type { NodeView } from "../core/node-view.ts";
import { seededRandom } from "../core/random.ts";
import type { Sql } from "./connect.ts";
import { Leader, type LeaderDeps } from "./leader.ts";
import { upsertNode } from "./nodes.ts";
import type { PoolOptions } from "./options.ts";

const STEP_MS = 200;

/** A node that may lead, with what its mesh knows. */
async function openNode(options: PoolOptions, number: number, duty?: LeaderDeps["duty"]) {
  const clock = new ManualClock();
  const log = recordingLog();
  const self = testNodeView(number, { self: true, name: `\0node-${number}`.padEnd(400, "x") });
  const known: NodeView[] = [self];
  const registry = await openRegistry(options, { clock, log, random: seededRandom(number) });
  const leader = Leader.open({
    registry,
    view: { self: () => self, nodes: () => known },
    clock,
    log,
    ...(duty ? { duty } : {}),
  });
  return {
    ...{ clock, log, known, leader, registry },
    [Symbol.asyncDispose]: async () => {
      await leader[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

type Node = Awaited<ReturnType<typeof openNode>>;

/** Lets time pass on these nodes until the condition holds. */
async function eventually(nodes: readonly Node[], condition: () => boolean | Promise<boolean>) {
  await until(async () => {
    if (await condition()) return true;
    for (const { clock } of nodes) await clock.advance(STEP_MS);
    return false;
  });
}

async function addRow(sql: Sql, number: number, incarnation = 1n): Promise<void> {
  await upsertNode(sql, { ...testNodeView(number, { incarnation }), status: "active" });
}

async function status(sql: Sql, number: number): Promise<string | undefined> {
  const [row] = await sql<{ status: string }[]>`
    select status from nodes where peer_id = ${testNodeId(number)}`;
  return row?.status;
}

onEachPostgres((t, server) => {
  t.test("the leader records who failed, who left, and who was never seen", async (t) => {
    const options = await server.database();
    await using pool = openPool(options);
    const { sql } = pool;
    for (const number of [1, 2, 3, 4, 5]) await addRow(sql, number);
    await sql`update nodes set last_heartbeat = now() - interval '1 hour' where peer_id in
      (${testNodeId(1)}, ${testNodeId(4)})`;
    await using node = await openNode(options, 1);
    node.known.push(testNodeView(2, { health: "failed" }), testNodeView(3, { health: "left" }));
    await eventually([node], async () => (await status(sql, 4)) === "offline");
    t.equal(await status(sql, 1), "active", "itself it leaves alone");
    t.equal(await status(sql, 2), "failed");
    t.equal(await status(sql, 3), "offline");
    t.equal(await status(sql, 5), "active", "heard a moment ago");

    await addRow(sql, 2, 2n);
    node.known.push(testNodeView(5, { health: "failed" }));
    await eventually([node], async () => (await status(sql, 5)) === "failed");
    t.equal(await status(sql, 2), "active", "it has come back, and the news is old");
    const told = node.log.lines.filter(({ text }) => text === "node's status recorded");
    t.equal(told.length, 4, "each change once");
    // On a busy machine it may have told of a slow query before.
    const leading = node.log.lines.find(({ text }) => text === "leading");
    t.match(leading, { fields: { term: "1" } });
  });

  t.test("one leads; when it goes the other does, with a larger token", async (t) => {
    const options = await server.database();
    const one = await openNode(options, 1);
    await eventually([one], () => one.leader.token() !== undefined);
    await using two = await openNode(options, 2);
    await until(() => two.clock.sleeping === 1);
    t.equal(one.leader.token(), 1n);
    t.equal(two.leader.token(), undefined);
    await one[Symbol.asyncDispose]();
    t.equal(one.leader.token(), undefined);
    t.equal(one.clock.sleeping, 0);
    await eventually([two], () => two.leader.token() !== undefined);
    t.equal(two.leader.token(), 2n);
  });

  t.test("without the database nobody leads, and afterwards somebody does again", async (t) => {
    const options = await server.database();
    await using node = await openNode(options, 1);
    await eventually([node], () => node.leader.token() !== undefined);
    await server.stop();
    await eventually([node], () => node.leader.token() === undefined);
    await server.start();
    await using pool = openPool(options);
    // The server's clock is the real one, and the lease may stand for some seconds yet.
    await pool.sql`update leases set expires_at = now()`;
    await eventually([node], () => node.leader.token() !== undefined);
    t.ok((node.leader.token() ?? 0n) > 1n);
    t.same(
      node.log.lines.filter(({ level }) => level === "error"),
      [],
    );
  });

  t.test("the leader's duty lasts as long as its term, and the next begins after it", async (t) => {
    const options = await server.database();
    const told: string[] = [];
    const duty =
      (name: string): LeaderDeps["duty"] =>
      async (fence, { signal }) => {
        told.push(`${name} begins ${fence.name} ${fence.token}`);
        if (!signal.aborted)
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
        told.push(`${name} ends`);
        throw new RangeError("and what it throws ends nothing");
      };
    const one = await openNode(options, 1, duty("one"));
    await eventually([one], () => told.length === 1);
    await using two = await openNode(options, 2, duty("two"));
    await one[Symbol.asyncDispose]();
    await eventually([two], () => told.length === 3);
    t.same(told, ["one begins leader 1", "one ends", "two begins leader 2"]);
    t.notOk(one.log.lines.some(({ level }) => level === "error"));

    const failing = await openNode(await server.database(), 3, async () => {
      throw new RangeError("no duty");
    });
    await eventually([failing], () => failing.log.lines.some(({ level }) => level === "error"));
    t.equal(failing.leader.token(), 1n, "it leads all the same");
    await failing[Symbol.asyncDispose]();
  });
});
