import { endPauses, jobsIn, openJobs, passTime, testQueue } from "../../test/fixtures/jobs.ts";
import { Door, onEachPostgres, openPool, until } from "../../test/fixtures/postgres.ts";

/** Serves until it is told to stop. */
function serve(node: ReturnType<typeof openJobs>, queues: Parameters<typeof node.jobs.serve>[0]) {
  const stopping = new AbortController();
  const served = node.jobs.serve(queues, stopping);
  return async (): Promise<void> => {
    stopping.abort();
    await served;
  };
}

onEachPostgres((t, server) => {
  t.test("a job comes when it is due, once, although two nodes serve", async (t) => {
    const options = await server.database();
    await using one = openJobs(options);
    await using two = openJobs(options);
    let runs = 0;
    const queue = testQueue(async () => void runs++);
    const stops = [serve(one, [queue]), serve(two, [queue])];
    await until(() => runs > 0);
    for (const node of [one, two]) {
      const asked = node.asked();
      await until(() => node.asked() > asked + 10);
    }
    for (const stop of stops) await stop();
    // A minute may have passed on the server.
    const [row] = await one.pool.sql<{ sent: number; minutes: number }[]>`
      select count(*)::int as sent, count(distinct singleton_on)::int as minutes from jobs.job
      where singleton_on is not null`;
    t.equal(row?.sent, row?.minutes);
    t.equal(await jobsIn(one.pool.sql, "completed"), runs);
    t.ok(runs <= (row?.minutes ?? 0));
    const ran = [one, two].map(({ metrics }) =>
      metrics.value("ollamamax_job_runs_total", { job: "test", outcome: "ok" }),
    );
    t.equal(
      ran.reduce((sum, count) => sum + count),
      runs,
    );
    for (const { log, metrics } of [one, two]) {
      t.same(
        log.lines.filter(({ level }) => level !== "debug"),
        [],
      );
      t.equal(metrics.value("ollamamax_jobs_running"), 0);
    }
  });

  t.test("who takes over goes on, with today's schedules only", async (t) => {
    const options = await server.database();
    await using pool = openPool(options);
    const ran: string[] = [];
    const work = (name: string) => async () => void ran.push(name);
    await using one = openJobs(options);
    const stopOne = serve(one, [
      testQueue(work("one")),
      testQueue(work("old"), { name: "of-an-earlier-version", schedule: "0 0 1 1 *" }),
    ]);
    await until(() => ran.includes("one"));
    await stopOne();
    await passTime(pool.sql);
    await using two = openJobs(options);
    const stopTwo = serve(two, [testQueue(work("two"), { schedule: "*/1 * * * *" })]);
    await until(() => ran.includes("two"));
    await stopTwo();
    t.same([...new Set(ran)], ["one", "two"]);
    t.same(
      [...(await pool.sql`select name, cron from jobs.schedule`)],
      [{ name: "test", cron: "*/1 * * * *" }],
    );
  });

  t.test("a job that fails is done again, later, and at last left", async (t) => {
    await using node = openJobs(await server.database());
    let tries = 0;
    const queue = testQueue(async () => {
      throw new RangeError(`try ${++tries}`);
    });
    const stop = serve(node, [queue]);
    await until(async () => (await jobsIn(node.pool.sql, "retry")) === 1);
    t.equal(tries, 1);
    await endPauses(node.pool.sql);
    await until(async () => (await jobsIn(node.pool.sql, "failed")) === 1);
    await stop();
    // The next minute's job may have begun meanwhile.
    const [job] = await node.pool.sql`
      select output ->> 'message' as said from jobs.job where name = 'test' order by created_on limit 1`;
    t.match(job, { said: "try 2" });
    t.equal(node.metrics.value("ollamamax_job_runs_total", { outcome: "failed" }), tries);
    t.match(node.log.lines.slice(0, 2), [
      { level: "warn", text: "job failed", fields: { job: "test", problem: "try 1" } },
      { level: "warn", text: "job failed", fields: { job: "test", problem: "try 2" } },
    ]);
  });

  t.test(
    "a stop ends the job that runs, waits for it, and another node does it again",
    async (t) => {
      const options = await server.database();
      await using one = openJobs(options);
      const began = Promise.withResolvers<void>();
      let ended = false;
      const stop = serve(one, [
        testQueue(async ({ signal }) => {
          began.resolve();
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
          // It has something to put away, too.
          await one.pool.sql`select 1`;
          ended = true;
          throw signal.reason;
        }),
      ]);
      await began.promise;
      await stop();
      t.ok(ended);
      t.equal(one.metrics.value("ollamamax_job_runs_total", { outcome: "interrupted" }), 1);
      t.same(
        one.log.lines.filter(({ level }) => level !== "debug"),
        [],
      );
      await endPauses(one.pool.sql);
      await using two = openJobs(options);
      let again = false;
      const stopTwo = serve(two, [
        testQueue(async () => {
          again = true;
        }),
      ]);
      await until(() => again);
      await stopTwo();
      t.pass("and it was done");
    },
  );

  t.test("the database goes away and comes back; nothing ends", async (t) => {
    await using node = openJobs(await server.database());
    let runs = 0;
    const stop = serve(node, [testQueue(async () => void runs++)]);
    await until(() => runs > 0);
    await until(async () => (await jobsIn(node.pool.sql, "completed")) > 0);
    await server.stop();
    // Each queue has asked in vain.
    await until(() => node.log.lines.some(({ text }) => text === "jobs' database refused"));
    await server.start();
    const before = runs;
    await until(() =>
      passTime(node.pool.sql).then(
        () => true,
        () => false,
      ),
    );
    await until(() => runs > before);
    await stop();
    t.same(
      node.log.lines.filter(({ level }) => level !== "debug"),
      [],
    );
  });

  t.test("a start without a database waits for it", async (t) => {
    const options = await server.database();
    await server.stop();
    await using node = openJobs(options);
    let runs = 0;
    const stop = serve(node, [testQueue(async () => void runs++)]);
    await until(() => node.log.lines.some(({ text }) => text === "jobs are not served yet"));
    await server.start();
    await until(() => runs > 0);
    await stop();
    t.pass();
  });

  t.test("a stop does not wait for a database that says nothing", async (t) => {
    const options = await server.database();
    await using door = await Door.open(options.port);
    const node = openJobs({ ...options, port: door.port });
    let runs = 0;
    const stop = serve(node, [testQueue(async () => void runs++)]);
    await until(() => runs > 0);
    door.silence();
    await stop();
    door.endSilence();
    await node[Symbol.asyncDispose]();
    t.pass();
  });

  t.test("a schema of another pg-boss is told of, and waits for nobody", async (t) => {
    const options = await server.database();
    await using node = openJobs(options);
    await node.pool.sql`update jobs.version set version = version + 1`;
    const stop = serve(node, [testQueue(async () => {})]);
    await until(() => node.log.lines.some(({ level }) => level === "error"));
    await stop();
    t.match(node.log.lines[0], { fields: { problem: /requires migrations/ } });
  });
});
