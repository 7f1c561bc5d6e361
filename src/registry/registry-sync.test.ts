import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import {
  Door,
  onEachPostgres,
  openPool,
  openRegistry,
  until,
} from "../../test/fixtures/postgres.ts";
import { recordingLog } from "../../test/fixtures/recording-log.ts";
import { testModel, testNodeView } from "../../test/fixtures/registry-rows.ts";
import type { NodeView } from "../core/node-view.ts";
import { seededRandom } from "../core/random.ts";
import type { Sql } from "./connect.ts";
import type { RegistryOptions } from "./options.ts";
import { RegistrySync } from "./registry-sync.ts";
import type { OwnReplica } from "./replicas.ts";

const STEP_MS = 250;

async function openNode(
  options: Parameters<typeof openRegistry>[0],
  changes: Partial<NodeView> = {},
) {
  const clock = new ManualClock();
  const log = recordingLog();
  const state: { self: NodeView; replicas: readonly OwnReplica[] } = {
    self: testNodeView(1, changes),
    replicas: [],
  };
  const registry = await openRegistry(options, { clock, log, random: seededRandom(1) });
  const { self, replicas } = { self: () => state.self, replicas: () => state.replicas };
  const sync = await RegistrySync.open({ registry, self, replicas, clock, log });
  return {
    ...{ clock, log, state, sync, registry },
    hold: (...models: string[]) => {
      state.replicas = models.map((model) => ({ record: testModel(model), state: "ready" }));
    },
    [Symbol.asyncDispose]: async () => {
      await sync[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

/** Lets the node's time pass until the condition holds. */
async function eventually({ clock }: { clock: ManualClock }, condition: () => Promise<boolean>) {
  await until(async () => {
    if (await condition()) return true;
    await clock.advance(STEP_MS);
    return false;
  });
}

async function ready(sql: Sql): Promise<number> {
  return (await sql`select from model_replicas where status = 'ready'`).length;
}

async function status(sql: Sql): Promise<string | undefined> {
  return (await sql<{ status: string }[]>`select status from nodes`)[0]?.status;
}

onEachPostgres((t, server) => {
  t.test(
    "the state is there when it is open, news at once, and the last word is offline",
    async (t) => {
      const options = await server.database();
      await using pool = openPool(options);
      const { sql } = pool;
      const node = await openNode(options);
      t.equal(await status(sql), "active");
      node.hold("a", "b");
      node.sync.touch();
      await until(async () => (await ready(sql)) === 2);
      t.ok(node.clock.nowMs() < 5_000, "before the next heartbeat");
      node.state.self = { ...node.state.self, state: "draining" };
      await eventually(node, async () => (await status(sql)) === "draining");
      await node[Symbol.asyncDispose]();
      t.equal(await status(sql), "offline");
      t.equal(node.clock.sleeping, 0);
    },
  );

  t.test("a heartbeat every five seconds, and nothing more", async (t) => {
    const options = await server.database();
    await using pool = openPool(options);
    await using node = await openNode(options);
    node.hold("a");
    const version = async (): Promise<string | undefined> =>
      (await pool.sql<{ xmin: string }[]>`select xmin::text from nodes`)[0]?.xmin;
    const first = await version();
    await until(() => node.clock.sleeping === 1);
    await node.clock.advance(4_999);
    t.equal(await version(), first);
    await node.clock.advance(1);
    await until(async () => (await version()) !== first);
    await until(async () => (await ready(pool.sql)) === 1);
    const replica = async () => [...(await pool.sql`select xmin::text from model_replicas`)];
    const [before, second] = [await replica(), await version()];
    await eventually(node, async () => (await version()) !== second);
    t.same(await replica(), before, "replicas that are the same are not written again");
  });

  t.test("what changed while the database was away is written when it is back", async (t) => {
    const options = await server.database();
    await using node = await openNode(options);
    await server.stop();
    node.hold("a", "b", "c");
    node.sync.touch();
    await eventually(node, async () => node.log.lines.some(({ text }) => text.includes("away")));
    node.hold("b");
    for (let round = 0; round < 20; round++) {
      node.sync.touch();
      await node.clock.advance(STEP_MS);
    }
    await server.start();
    await using pool = openPool(options);
    await eventually(node, async () => (await ready(pool.sql)) === 1);
    t.same([...(await pool.sql`select name from models`)], [{ name: testModel("b").name }]);
    await until(async () => node.log.lines.some(({ text }) => text.includes("again")));
    const told = node.log.lines.filter(({ text }) => text.startsWith("registry"));
    t.same(
      told.map(({ level }) => level),
      ["warn", "info"],
      "each once, however long it took",
    );
  });

  t.test("rows that somebody deleted come back", async (t) => {
    const options = await server.database();
    await using pool = openPool(options);
    await using node = await openNode(options);
    node.hold("a");
    node.sync.touch();
    await until(async () => (await ready(pool.sql)) === 1);
    await pool.sql`delete from nodes`;
    t.equal(await ready(pool.sql), 0);
    await eventually(node, async () => (await ready(pool.sql)) === 1);
    t.equal(await status(pool.sql), "active");
  });

  t.test("an old process says nothing over its successor", async (t) => {
    const options = await server.database();
    await using pool = openPool(options);
    await using successor = await openNode(options, { incarnation: 2n });
    const old = await openNode(options, { incarnation: 1n, state: "draining" });
    old.hold("ghost");
    old.sync.touch();
    await until(() => old.log.lines.filter(({ level }) => level === "warn").length > 1);
    await old[Symbol.asyncDispose]();
    t.equal(await status(pool.sql), "active");
    t.equal(await ready(pool.sql), 0);
    t.ok(successor);
  });

  t.test("opening and leaving while the database cannot be reached wait for nothing", async (t) => {
    const options = await server.database();
    const away: RegistryOptions = { ...options, port: 1, migrate: true, whenUnreachable: "retry" };
    const node = await openNode(away);
    node.sync.touch();
    await node[Symbol.asyncDispose]();
    t.equal(node.clock.sleeping, 0);
    t.notOk(node.log.lines.some(({ level }) => level === "error"));
  });

  t.test("a silent database holds the leaving up for two seconds at most", async (t) => {
    const options = await server.database();
    await using door = await Door.open(options.port);
    const node = await openNode({ ...options, port: door.port });
    await until(() => node.clock.sleeping === 1);
    door.silence();
    const left = node[Symbol.asyncDispose]();
    await until(() => node.clock.sleeping === 2);
    await node.clock.advance(2_000);
    await left;
    t.match(node.log.lines.at(-1), { level: "warn", text: "registry was not told that we leave" });
    t.equal(node.clock.sleeping, 0);
  });
});
