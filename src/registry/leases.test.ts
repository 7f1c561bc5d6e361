import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import { Door, onEachPostgres, openPool, until } from "../../test/fixtures/postgres.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { silentLog } from "../core/log.ts";
import { seededRandom } from "../core/random.ts";
import { acquire, type LeaseOptions, Leases, release, renew, type Term } from "./leases.ts";
import type { PoolOptions } from "./options.ts";
import { type Database, Pool } from "./pool.ts";

/** So long that the server lets nobody else in while a test runs. */
const LONG: LeaseOptions = { holder: "tester", ttlMs: 600_000 };
const NAME = "leader";

/** Leases as one node sees them: its own connections, and its own clock for what it decides by time. */
function openNode(options: PoolOptions, clock: Clock, seed = 1) {
  const pool = new Pool(options, { clock: systemClock });
  let answers = 0;
  const database: Database = {
    run: (statement, action, o) => pool.run(statement, action, o).finally(() => answers++),
  };
  const leases = new Leases(database, { clock, random: seededRandom(seed), log: silentLog });
  return {
    leases,
    /** How many statements have got their answer, or failed. */
    answers: () => answers,
    [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose](),
  };
}

/** Holds for one term, until `leave` is called or the term has ended. */
function holdOnce(leases: Leases, signal: AbortSignal, options = LONG) {
  const won = Promise.withResolvers<Term>();
  const leaving = new AbortController();
  const done = (async () => {
    for await (const term of leases.hold(NAME, options, { signal })) {
      won.resolve(term);
      const end = AbortSignal.any([term.signal, leaving.signal]);
      if (!end.aborted) await new Promise((resolve) => end.addEventListener("abort", resolve));
      break;
    }
  })();
  return { won: won.promise, leave: () => leaving.abort(), done };
}

onEachPostgres((t, server) => {
  t.test("of many that ask at once, one gets it", async (t) => {
    await using pool = openPool({ ...(await server.database()), connectionsMax: 10 });
    const { sql } = pool;
    for (const expected of [1n, 2n, 3n]) {
      const asked = Array.from({ length: 20 }, () => acquire(sql, NAME, LONG));
      const tokens = (await Promise.all(asked)).filter((token) => token !== undefined);
      t.same(tokens, [expected]);
      await release(sql, NAME, expected);
    }
  });

  t.test("a token of an earlier term renews and releases nothing", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    await acquire(sql, NAME, LONG);
    await sql`update leases set expires_at = clock_timestamp() - interval '1 ms'`;
    t.equal(await renew(sql, NAME, 1n, LONG.ttlMs), false, "it has run out");
    t.equal(await acquire(sql, NAME, LONG), 2n);
    t.equal(await renew(sql, NAME, 1n, LONG.ttlMs), false);
    await release(sql, NAME, 1n);
    t.equal(await acquire(sql, NAME, LONG), undefined, "still the second one's");
    t.equal(await renew(sql, NAME, 2n, LONG.ttlMs), true);
    t.equal(await acquire(sql, "other", LONG), 1n, "names do not share anything");
  });

  t.test("no two hold it, and tokens only grow", async (t) => {
    const options = await server.database();
    const terms: Term[] = [];
    const held: bigint[] = [];
    const contend = async (seed: number): Promise<void> => {
      await using node = openNode({ ...options, connectionsMax: 1 }, systemClock, seed);
      const over = new AbortController();
      let count = 0;
      for await (const term of node.leases.hold(NAME, { holder: `${seed}`, ttlMs: 600 }, over)) {
        t.ok(
          terms.every(({ signal }) => signal.aborted),
          "those before know that they lost it",
        );
        terms.push(term);
        held.push(term.token);
        if (++count === 2) return over.abort();
      }
    };
    await Promise.all([1, 2, 3, 4].map(contend));
    t.equal(held.length, 8);
    t.same(
      held,
      held.toSorted((a, b) => (a < b ? -1 : 1)),
    );
    t.equal(new Set(held).size, held.length);
  });

  t.test("leaving gives it back at once; an abort ends the term and the waiting", async (t) => {
    const options = await server.database();
    const clock = new ManualClock();
    await using pool = openPool(options);
    await using node = openNode(options, clock);
    const first = holdOnce(node.leases, new AbortController().signal);
    const { token, signal } = await first.won;
    t.equal(await acquire(pool.sql, NAME, LONG), undefined);
    first.leave();
    await first.done;
    t.ok(signal.aborted);
    t.equal(await acquire(pool.sql, NAME, LONG), token + 1n);

    const giveUp = new AbortController();
    const waiting = holdOnce(node.leases, giveUp.signal);
    await until(() => clock.sleeping === 1);
    giveUp.abort();
    await waiting.done;
    await release(pool.sql, NAME, token + 1n);

    const stop = new AbortController();
    const last = holdOnce(node.leases, stop.signal);
    const term = await last.won;
    stop.abort();
    await last.done;
    t.ok(term.signal.aborted);
    t.equal(await acquire(pool.sql, NAME, LONG), term.token + 1n);
    t.equal(clock.sleeping, 0);
  });

  t.test("a term lasts as long as it is renewed, over a cut connection too", async (t) => {
    const options = await server.database();
    await using door = await Door.open(options.port);
    await using pool = openPool(options);
    const clock = new ManualClock();
    await using node = openNode({ ...options, port: door.port }, clock);
    const holding = holdOnce(node.leases, new AbortController().signal);
    const { signal } = await holding.won;
    const expires = async (): Promise<string> =>
      (await pool.sql<{ at: string }[]>`select expires_at::text as at from leases`)[0]?.at ?? "";
    for (const how of ["close", "none", "reset", "none", "none"] as const) {
      const before = await expires();
      if (how !== "none") door.cut(how);
      // A renewal that fails is tried again a third of the time to live later.
      for (let tries = 0; tries < 2 && (await expires()) === before; tries++) {
        const answered = node.answers();
        await clock.advance(LONG.ttlMs / 3);
        await until(() => node.answers() > answered);
      }
      t.ok((await expires()) > before, how);
    }
    t.notOk(signal.aborted);
    holding.leave();
    await holding.done;
  });

  t.test("a holder that gets no answer gives up before the server lets another in", async (t) => {
    const options = await server.database();
    await using pool = openPool(options);
    await using door = await Door.open(options.port);
    const clock = new ManualClock();
    const node = openNode({ ...options, port: door.port }, clock);
    const holding = holdOnce(node.leases, new AbortController().signal);
    const { signal } = await holding.won;
    door.silence();
    await clock.advance(LONG.ttlMs - 1);
    t.notOk(signal.aborted);
    await clock.advance(1);
    t.ok(signal.aborted, "at the time to live, counted from when it asked");
    t.equal(await acquire(pool.sql, NAME, LONG), undefined, "the server's time is not over yet");
    await until(async () => {
      await clock.advance(LONG.ttlMs);
      return clock.sleeping === 0;
    });
    await holding.done;
    door.endSilence();
    await node[Symbol.asyncDispose]();
  });

  t.test("a term ends when the lease has become another's", async (t) => {
    const options = await server.database();
    await using pool = openPool(options);
    const clock = new ManualClock();
    await using node = openNode(options, clock);
    const holding = holdOnce(node.leases, new AbortController().signal);
    const { signal } = await holding.won;
    await pool.sql`update leases set expires_at = clock_timestamp()`;
    const token = await acquire(pool.sql, NAME, LONG);
    await clock.advance(LONG.ttlMs / 3);
    await holding.done;
    t.ok(signal.aborted);
    t.equal(await renew(pool.sql, NAME, token ?? 0n, LONG.ttlMs), true, "and is left to it");
  });
});
