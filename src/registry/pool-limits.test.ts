import { onEachPostgres, openPool, until } from "../../test/fixtures/postgres.ts";
import { recordingLog } from "../../test/fixtures/recording-log.ts";
import { recordingMetrics } from "../../test/fixtures/recording-metrics.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import type { Sql } from "./connect.ts";
import { Pool } from "./pool.ts";

const NOBODY = new AbortController();

async function sessions(sql: Sql): Promise<number> {
  const rows = await sql`
    select from pg_stat_activity
    where datname = current_database() and application_name = 'ollamamax' and pid <> pg_backend_pid()`;
  return rows.length;
}

onEachPostgres((t, server) => {
  t.test("at most so many connections, and who uses them is seen", async (t) => {
    const options = { ...(await server.database()), connectionsMax: 3 };
    const metrics = recordingMetrics();
    await using admin = openPool({ ...options, connectionsMax: 1 });
    await using pool = new Pool(options, { clock: systemClock, metrics });
    const connections = (state: string): number =>
      metrics.value("ollamamax_db_connections", { state });
    t.equal(connections("in_use") + connections("idle"), 0, "none before the first statement");
    await admin.sql`select pg_advisory_lock(7)`;
    const waiting = Array.from({ length: 8 }, () =>
      pool.run("ping", (sql) => sql`select pg_advisory_lock_shared(7)`),
    );
    await until(async () => (await sessions(admin.sql)) === 3 && connections("in_use") === 3);
    t.equal(connections("idle"), 0);
    t.equal(metrics.value("ollamamax_db_statements_waiting"), 5);
    t.equal(metrics.value("ollamamax_db_connections_max"), 3);
    await admin.sql`select pg_advisory_unlock(7)`;
    await Promise.all(waiting);
    t.equal(await sessions(admin.sql), 3, "no more were opened for the rest");
    t.same([connections("in_use"), connections("idle")], [0, 3]);
    t.equal(metrics.value("ollamamax_db_statements_waiting"), 0);
    t.equal(
      metrics.value("ollamamax_db_statements_seconds", { statement: "ping", outcome: "ok" }),
      8,
    );
  });

  t.test("an idle connection is closed, and opened again for the next statement", async (t) => {
    const options = { ...(await server.database()), idleTimeoutMs: 50 };
    await using admin = openPool({ ...options, idleTimeoutMs: 60_000, connectionsMax: 1 });
    await using pool = new Pool(options, { clock: systemClock });
    await pool.run("ping", (sql) => sql`select 1`);
    await until(async () => (await sessions(admin.sql)) === 0);
    await pool.run("ping", (sql) => sql`select 1`);
    t.pass("it answered");
  });

  t.test("a connection in use is replaced when it is old, and no statement suffers", async (t) => {
    const options = { ...(await server.database()), connectionsMax: 1, lifetimeMaxMs: 100 };
    await using pool = new Pool(options, { clock: systemClock });
    const pids = new Set<number>();
    while (pids.size < 4) {
      const [row] = await pool.run(
        "ping",
        (sql) => sql<{ pid: number }[]>`select pg_backend_pid() as pid`,
      );
      pids.add(row?.pid ?? 0);
    }
    t.notOk(pids.has(0));
  });

  t.test("a statement is prepared once on a connection", async (t) => {
    const options = { ...(await server.database()), connectionsMax: 1 };
    await using pool = new Pool(options, { clock: systemClock });
    for (let number = 0; number < 5; number++) {
      await pool.run("ping", (sql) => sql`select ${number}::int as number`);
    }
    const prepared = await pool.run(
      "ping",
      (sql) => sql`
        select (generic_plans + custom_plans)::int as plans from pg_prepared_statements
        where statement like '%as number'`,
    );
    t.match(prepared, [{ plans: 5 }]);
  });

  t.test("a slow statement is logged by its name, and nothing of what it held", async (t) => {
    const options = { ...(await server.database()), slowStatementMs: 0 };
    const log = recordingLog();
    await using pool = new Pool(options, { clock: systemClock, log });
    await pool.run("lease_renew", (sql) => sql`select ${"a secret"}::text, pg_sleep(0.01)`);
    await pool.run("ping", (sql) => sql`select ${"a secret"}::int`).catch(() => {});
    t.match(log.lines, [
      { level: "warn", text: "slow query", fields: { statement: "lease_renew", outcome: "ok" } },
      { level: "warn", text: "slow query", fields: { statement: "ping", outcome: "error" } },
    ]);
    t.ok(Number(log.lines[0]?.fields["durationMs"]) >= 10);
    t.notMatch(JSON.stringify(log.lines), /secret|select/);
    await using quiet = new Pool(
      { ...options, slowStatementMs: 60_000 },
      { clock: systemClock, log },
    );
    await quiet.run("ping", (sql) => sql`select 1`);
    t.equal(log.lines.length, 2);
  });

  t.test("after each loss in a row the pool waits longer before it dials", async (t) => {
    const options = { ...(await server.database()), port: 1 };
    const pauses: number[] = [];
    let nowMs = 0;
    const clock: Clock = {
      nowMs: () => nowMs,
      wallMs: () => nowMs,
      sleep: (ms, signal) => {
        if (ms > 5_000) return systemClock.sleep(ms, signal);
        pauses.push(ms);
        nowMs += ms;
        return Promise.resolve();
      },
    };
    await using pool = new Pool(options, { clock, random: { next: () => 0.5 } });
    for (let loss = 0; loss < 8; loss++) {
      await t.rejects(
        pool.run("ping", (sql) => sql`select 1`, NOBODY),
        { code: "DB_UNREACHABLE" },
      );
    }
    t.same(pauses, [50, 100, 200, 400, 800, 1_000, 1_000]);
  });
});
