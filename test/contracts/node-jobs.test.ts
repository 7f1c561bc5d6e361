import { acquire } from "../../src/registry/leases.ts";
import { NODE, nodeJob, openNodeJobs, serveNode } from "../fixtures/node-jobs.ts";
import { Door, onEachPostgres, openPool, until } from "../fixtures/postgres.ts";
import { testNodeId } from "../fixtures/registry-rows.ts";

const o = new AbortController();

/** Until the work's signal aborts. */
function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

onEachPostgres((t, server) => {
  t.test("a node does its own jobs, each once", async (t) => {
    const options = await server.database();
    await using leader = openNodeJobs(options);
    await using node = openNodeJobs(options);
    const ran: string[] = [];
    const gate = Promise.withResolvers<void>();
    const stop = serveNode(node, async ({ kind, name, reason }) => {
      await gate.promise;
      ran.push(`${kind} ${name} ${reason}`);
      return undefined;
    });
    t.equal(await leader.jobs.send(NODE, nodeJob("one"), o), true);
    t.equal(await leader.jobs.send(NODE, nodeJob("one"), o), false, "it waits already");
    t.equal(await leader.jobs.send(testNodeId(2), nodeJob("one"), o), true, "another node's");
    await until(async () => (await leader.jobs.list(o)).some(({ state }) => state === "running"));
    t.equal(await leader.jobs.send(NODE, nodeJob("one"), o), false, "it runs already");
    t.match(await leader.jobs.list(o), [
      { ...nodeJob("one"), node: NODE, state: "running" },
      { ...nodeJob("one"), node: testNodeId(2), state: "queued" },
    ]);
    gate.resolve();
    await until(async () => (await leader.jobs.list(o)).length === 1);
    t.same(ran, ["copy one a test"]);
    t.equal(await leader.jobs.send(NODE, nodeJob("one"), o), true, "it has ended");
    await until(() => ran.length === 2);
    await stop();
    t.same(
      node.log.lines.filter(({ level }) => level !== "debug"),
      [],
    );
  });

  t.test("who no longer leads sends nothing and calls nothing off", async (t) => {
    const options = await server.database();
    await using pool = openPool(options);
    await using jobs = openNodeJobs(options);
    const lease = { holder: "x", ttlMs: 60_000 };
    const first = (await acquire(pool.sql, "leader", lease)) ?? 0n;
    const fence = { name: "leader", token: first };
    const { signal } = o;
    t.equal(await jobs.jobs.send(NODE, nodeJob("one"), { signal, fence }), true);
    await pool.sql`update leases set expires_at = now() - interval '1 second'`;
    await t.rejects(jobs.jobs.send(NODE, nodeJob("two"), { signal, fence }), {
      code: "NOT_LEADING",
    });
    const second = (await acquire(pool.sql, "leader", lease)) ?? 0n;
    t.ok(second > first);
    await t.rejects(jobs.jobs.send(NODE, nodeJob("two"), { signal, fence }), {
      code: "NOT_LEADING",
    });
    const [job] = await jobs.jobs.list(o);
    if (!job) throw new Error("one was sent");
    await t.rejects(jobs.jobs.cancel(job, { signal, fence }), { code: "NOT_LEADING" });
    t.equal((await jobs.jobs.list(o)).length, 1);
    await jobs.jobs.cancel(job, { signal, fence: { name: "leader", token: second } });
    t.same(await jobs.jobs.list(o), []);
  });

  t.test("a job that fails is tried again, and at last lies with the dead letters", async (t) => {
    const options = await server.database();
    await using pool = openPool(options);
    await using node = openNodeJobs(options);
    let tries = 0;
    const stop = serveNode(node, async ({ name }) => {
      if (name === "refused") return { refused: "no room" };
      tries++;
      throw new Error("it broke");
    });
    await node.jobs.send(NODE, nodeJob("bad"), o);
    await node.jobs.send(NODE, nodeJob("refused"), o);
    await until(async () => {
      await pool.sql`update jobs.job set start_after = now() where state = 'retry'`;
      return (await node.jobs.list(o)).every(({ state }) => state === "failed");
    });
    t.equal(tries, 6);
    t.same((await node.jobs.list(o)).map(({ name }) => name).sort(), ["bad", "refused"]);
    const dead =
      await pool.sql`select data ->> 'name' as name from jobs.job where name = 'node-dead'`;
    t.same([...dead], [{ name: "bad" }]);
    await stop();
  });

  t.test("what was under way when the node died comes again at once", async (t) => {
    const options = await server.database();
    const dying = openNodeJobs(options);
    const begun = Promise.withResolvers<void>();
    const stopDying = serveNode(dying, async (_job, { signal }) => {
      begun.resolve();
      return await untilAborted(signal);
    });
    await dying.jobs.send(NODE, nodeJob("one"), o);
    await begun.promise;
    // As after kill -9: nothing of its end is recorded.
    await dying.pool[Symbol.asyncDispose]();
    await using again = openNodeJobs(options);
    const ran = Promise.withResolvers<string>();
    const stop = serveNode(again, async ({ name }) => {
      ran.resolve(name);
      return undefined;
    });
    t.equal(await ran.promise, "one");
    await until(async () => (await again.jobs.list(o)).length === 0);
    await stop();
    await stopDying();
    await dying.jobs[Symbol.asyncDispose]();
  });

  t.test("a job that is called off is aborted; others go on", async (t) => {
    const options = await server.database();
    await using pool = openPool(options);
    await using node = openNodeJobs(options);
    const token = (await acquire(pool.sql, "leader", { holder: "x", ttlMs: 60_000 })) ?? 0n;
    const aborted: string[] = [];
    const stop = serveNode(node, async ({ name }, { signal }) => {
      await untilAborted(signal).catch(() => aborted.push(name));
      throw new Error("aborted");
    });
    await node.jobs.send(NODE, nodeJob("one"), o);
    await node.jobs.send(NODE, nodeJob("two"), o);
    const running = async () =>
      (await node.jobs.list(o)).filter(({ state }) => state === "running");
    await until(async () => (await running()).length === 2);
    const one = (await running()).find(({ name }) => name === "one");
    if (!one) throw new Error("both run");
    await node.jobs.cancel(one, { ...o, signal: o.signal, fence: { name: "leader", token } });
    await until(() => aborted.length > 0);
    t.same(aborted, ["one"]);
    t.match(await running(), [{ name: "two" }]);
    await stop();
    t.same(aborted, ["one", "two"]);
  });

  t.test("a job that begins while the node looks what was called off goes on", async (t) => {
    const options = await server.database();
    const began = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    let answers = 0;
    await using node = openNodeJobs(options, (real) => async (prefix, o) => {
      const rows = await real(prefix, o);
      asked.resolve();
      await began.promise;
      answers++;
      return rows;
    });
    let aborted = 0;
    const stop = serveNode(node, async (_job, { signal }) => {
      began.resolve();
      await untilAborted(signal).catch(() => aborted++);
      throw new Error("aborted");
    });
    await asked.promise;
    await node.jobs.send(NODE, nodeJob("one"), o);
    await until(() => answers > 1);
    t.equal(aborted, 0);
    await stop();
    t.equal(aborted, 1);
  });

  t.test("work goes on without the database, and its end is recorded later", async (t) => {
    const options = await server.database();
    await using pool = openPool(options);
    await using door = await Door.open(options.port);
    await using node = openNodeJobs({ ...options, port: door.port });
    const begun = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    let runs = 0;
    const stop = serveNode(node, async (_job, { signal }) => {
      runs++;
      begun.resolve();
      await gate.promise;
      signal.throwIfAborted();
      return undefined;
    });
    await node.jobs.send(NODE, nodeJob("one"), o);
    await begun.promise;
    door.silence();
    gate.resolve();
    const state = async () => {
      const [row] = await pool.sql<{ state: string }[]>`
        select state::text as state from jobs.job where name like 'node.%'`;
      return row?.state;
    };
    t.equal(await state(), "active");
    door.endSilence();
    await until(async () => (await state()) === "completed");
    t.equal(runs, 1);
    await stop();
  });
});
