import { digestOf } from "../../test/fixtures/fake-cluster.ts";
import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import { onEachPostgres, openPool, until } from "../../test/fixtures/postgres.ts";
import { recordingLog } from "../../test/fixtures/recording-log.ts";
import { recordingMetrics } from "../../test/fixtures/recording-metrics.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { seededRandom } from "../core/random.ts";
import { type Sql, type Transaction, transaction } from "./connect.ts";
import { History } from "./history.ts";
import type { PoolOptions } from "./options.ts";
import { Pool } from "./pool.ts";

/** Two rows, each of which everybody adds to. */
async function withCounters(sql: Sql): Promise<void> {
  await sql`create table counters (name text primary key, value int not null)`;
  await sql`insert into counters values ('a', 0), ('b', 0)`;
}

async function counters(sql: Sql): Promise<number[]> {
  const rows = await sql<{ value: number }[]>`select value from counters order by name`;
  return rows.map(({ value }) => value);
}

const add = async (tx: Sql | Transaction, name: string): Promise<void> => {
  await tx`update counters set value = value + 1 where name = ${name}`;
};

/** Resolves for all who wait when there are so many; from then on at once. */
function meeting(count: number): () => Promise<void> {
  const all = Promise.withResolvers<void>();
  let here = 0;
  return async () => {
    if (++here === count) all.resolve();
    await all.promise;
  };
}

/** As the system's, but does something before it lets anybody try again. */
function clockBeforeRetry(action: () => Promise<void>): Clock {
  return {
    ...systemClock,
    sleep: async (ms, signal) => {
      if (ms < 5_000) await action();
      else await systemClock.sleep(ms, signal);
    },
  };
}

onEachPostgres((t, server) => {
  t.test("a deadlock: the one that was undone is done again, and both are whole", async (t) => {
    const metrics = recordingMetrics();
    await using pool = new Pool(await server.database(), { clock: systemClock, metrics });
    await withCounters(pool.sql);
    const met = meeting(2);
    const work = (first: string, second: string): Promise<void> =>
      pool.run("ping", (sql) =>
        transaction(sql, async (tx) => {
          await tx`set local deadlock_timeout = '10ms'`;
          await add(tx, first);
          await met();
          await add(tx, second);
        }),
      );
    await Promise.all([work("a", "b"), work("b", "a")]);
    t.same(await counters(pool.sql), [2, 2]);
    const outcomes = ["ok", "undone"].map((outcome) =>
      metrics.value("ollamamax_db_statements_seconds", { outcome }),
    );
    t.same(outcomes, [2, 1]);
  });

  t.test("a serialisation failure likewise", async (t) => {
    await using pool = new Pool(await server.database(), { clock: systemClock });
    await withCounters(pool.sql);
    const met = meeting(2);
    // Each writes what it read in the other's row: one after the other that is 0 + 1 and 1 + 1.
    const work = (own: string, other: string): Promise<void> =>
      pool.run("ping", (sql) =>
        transaction(sql, async (tx) => {
          await tx`set transaction isolation level serializable`;
          const [row] = await tx<{ value: number }[]>`
            select value from counters where name = ${other}`;
          await met();
          await tx`update counters set value = ${(row?.value ?? 0) + 1}::int where name = ${own}`;
        }),
      );
    await Promise.all([work("a", "b"), work("b", "a")]);
    t.same((await counters(pool.sql)).sort(), [1, 2]);
  });

  t.test("one that is undone each time is a clear error, and leaves nothing", async (t) => {
    await using pool = new Pool(await server.database(), { clock: systemClock });
    await withCounters(pool.sql);
    for (const [code, outcome, tries] of [
      ["40P01", "DB_CONFLICT", 4],
      ["40001", "DB_CONFLICT", 4],
      ["53100", "DB_FULL", 1],
      ["53200", "DB_FULL", 1],
      ["57014", "DB_TIMEOUT", 1],
      ["23505", "23505", 1],
    ] as const) {
      let tried = 0;
      const asked = pool.run("ping", (sql) =>
        transaction(sql, async (tx) => {
          tried++;
          await add(tx, "a");
          await tx.unsafe(`do $$ begin raise exception using errcode = '${code}'; end $$`);
        }),
      );
      await t.rejects(asked, { code: outcome }, code);
      t.equal(tried, tries, code);
    }
    t.same(await counters(pool.sql), [0, 0]);
  });

  t.test("a transaction that takes too long is undone, and its locks are free", async (t) => {
    const options = { ...(await server.database()), statementTimeoutMs: 3_000 };
    await using pool = new Pool(options, { clock: systemClock });
    await withCounters(pool.sql);
    const slow = pool.run("ping", (sql) =>
      transaction(sql, async (tx) => {
        await add(tx, "a");
        await tx`select pg_sleep(600)`;
      }),
    );
    await t.rejects(slow, { code: "DB_TIMEOUT", message: /pg_stat_activity/ });
    await pool.run("ping", (sql) => add(sql, "a"));
    t.same(await counters(pool.sql), [1, 0]);
  });

  t.test(
    "a server that is read-only: reads go on, writes say why, and come back by themselves",
    async (t) => {
      const options = await server.database();
      await using admin = openPool(options);
      await withCounters(admin.sql);
      const readOnly = (on: boolean): Promise<unknown> =>
        admin.sql`alter database ${admin.sql(options.database)} set default_transaction_read_only = ${admin.sql.unsafe(on ? "on" : "off")}`;
      await readOnly(true);
      await using pool = new Pool(options, { clock: systemClock });
      await t.rejects(
        pool.run("ping", (sql) => add(sql, "a")),
        { code: "DB_READ_ONLY", message: /only lets itself be read.*primary/ },
      );
      t.same(await pool.run("ping", counters), [0, 0]);
      t.ok(pool.reachable);

      const log = recordingLog();
      const clock = new ManualClock();
      const metrics = recordingMetrics();
      const registry = Object.assign(pool, { ready: () => true });
      await using history = History.open({
        ...{ registry, clock, random: seededRandom(1), log, metrics },
      });
      history.record({
        ...{
          requestId: "r",
          kind: "generate",
          userId: undefined,
          model: digestOf("m"),
          modelName: "m",
          prompt: ["p"],
        },
        ...{ responseLength: 1, promptTokens: 1, outputTokens: 1, nodes: [], attempts: 1 },
        ...{ strategy: "single", arrivedAtMs: 0, durationMs: 1, failure: undefined },
      });
      const outcomes = (outcome: string): number =>
        metrics.value("ollamamax_history_rows_total", { outcome });
      await until(async () => {
        await clock.advance(1_000);
        return log.lines.some(({ text }) => text === "history waits");
      });
      await readOnly(false);
      // The connections from before would stay read-only for ever.
      await until(async () => {
        await clock.advance(1_000);
        return outcomes("written") === 1;
      });
      t.equal(outcomes("refused") + outcomes("dropped"), 0);
      await pool.run("ping", (sql) => add(sql, "a"));
      t.same(await counters(admin.sql), [1, 0]);
    },
  );

  t.test("no connection left: it is tried again for a moment, then said", async (t) => {
    const options = await server.database();
    await using admin = openPool(options);
    const allow = (count: number): Promise<unknown> =>
      admin.sql.unsafe(`alter role limited connection limit ${count}`);
    await admin.sql`create role limited login password 'secret' connection limit 0`;
    const limited: PoolOptions = { ...options, user: "limited", password: "secret" };
    {
      await using pool = new Pool(limited, { clock: systemClock });
      const refused = pool.run("ping", (sql) => sql`select 1`);
      await t.rejects(refused, { code: "DB_UNREACHABLE", message: /\(53300\).*max_connections/ });
    }
    let tries = 0;
    const clock = clockBeforeRetry(async () => {
      if (++tries === 2) await allow(5);
    });
    {
      await using pool = new Pool(limited, { clock });
      await pool.run("ping", (sql) => sql`select 1`);
      t.equal(tries, 2);
    }
    await admin.sql`drop role limited`;
  });

  t.test("a restart in the midst of a transaction leaves nothing of it", async (t) => {
    await using pool = new Pool(await server.database(), { clock: systemClock });
    await withCounters(pool.sql);
    const half = Promise.withResolvers<void>();
    const cut = pool.run("ping", (sql) =>
      transaction(sql, async (tx) => {
        await add(tx, "a");
        half.resolve();
        await tx`select pg_sleep(600)`;
        await add(tx, "b");
      }),
    );
    await half.promise;
    await Promise.all([t.rejects(cut, { code: "DB_UNREACHABLE" }), server.stop()]);
    await server.start();
    t.same(await pool.run("ping", counters), [0, 0]);
    await pool.run("ping", (sql) => add(sql, "b"));
    t.same(await pool.run("ping", counters), [0, 1]);
  });
});
