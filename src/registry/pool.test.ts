import { fork } from "node:child_process";
import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import type { Test } from "tap";
import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import { Door, onEachPostgres, openPool } from "../../test/fixtures/postgres.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { transaction } from "./connect.ts";
import { isAway, RegistryError } from "./errors.ts";
import type { PoolOptions } from "./options.ts";
import { Pool } from "./pool.ts";

const LONG_MS = 3_600_000;

const [, , task] = process.argv;
if (task) await usePoolForParent(JSON.parse(task) as PoolOptions);
else
  onEachPostgres((t, server) => {
    const ping = async (pool: Pool): Promise<void> => {
      await pool.run("ping", (sql) => sql`select 1`);
    };

    t.test("what is wrong with an address is said with the next step", async (t) => {
      const good = await server.database();
      const taken = await listen(t, (socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
      const mute = await listen(t, () => {});
      const closing = await listen(t, (socket) => socket.destroy());
      const table: readonly [Partial<PoolOptions>, code: string, message: RegExp][] = [
        [{ password: "wrong" }, "DB_AUTH_FAILED", /OLLAMA_DB_USER and OLLAMA_DB_PASSWORD/],
        [{ password: undefined }, "DB_AUTH_FAILED", /refused user ollama_user/],
        [{ user: "nobody" }, "DB_AUTH_FAILED", /refused user nobody/],
        [{ database: "absent" }, "DB_MISSING", /no database absent: create it/],
        [{ port: 1 }, "DB_UNREACHABLE", /127.0.0.1:1 \(ECONNREFUSED\): start Postgres/],
        [{ port: closing }, "DB_UNREACHABLE", /OLLAMA_DB_PORT/],
        [{ port: mute, connectTimeoutMs: 50 }, "DB_UNREACHABLE", /CONNECT_TIMEOUT/],
        [{ port: taken }, "DB_UNREACHABLE", /OLLAMA_DB_PORT/],
        [{ sslMode: "require" }, "DB_UNREACHABLE", /TLS.*OLLAMA_DB_SSL_MODE=prefer/],
      ];
      for (const [wrong, code, message] of table) {
        await using pool = new Pool({ ...good, ...wrong }, { clock: systemClock });
        const error = await pool
          .run("ping", (sql) => sql`select 1`)
          .catch((error: unknown) => error);
        t.match(error, { code, message }, JSON.stringify(wrong));
        t.ok(
          error instanceof RegistryError && !error.message.includes("wrong"),
          "no password in it",
        );
      }
    });

    t.test("a server that takes nobody more says so", async (t) => {
      const options = await server.database();
      await using admin = openPool(options);
      await admin.sql`create role limited login password 'secret' connection limit 0`;
      const limited = { ...options, user: "limited", password: "secret" };
      await using pool = new Pool(limited, { clock: systemClock });
      await t.rejects(ping(pool), {
        code: "DB_UNREACHABLE",
        message: /takes no connection now \(53300\)/,
      });
      await admin.sql`alter role limited connection limit 5`;
      await ping(pool);
      await admin.sql`drop role limited`;
    });

    t.test("a statement that fails is the caller's, and hurts no connection", async (t) => {
      const options = { ...(await server.database()), statementTimeoutMs: 3_000 };
      await using pool = new Pool(options, { clock: systemClock });
      await t.rejects(
        pool.run("ping", (sql) => sql`select 1 / 0`),
        { code: "22012" },
      );
      await t.rejects(
        pool.run("ping", (sql) => sql`select pg_sleep(600)`),
        { code: "DB_TIMEOUT", message: /did not finish a statement in time/ },
      );
      await ping(pool);
    });

    t.test(
      "connections that are cut under load: an answer or DB_UNREACHABLE, and then it goes on",
      async (t) => {
        const options = await server.database();
        await using door = await Door.open(options.port);
        await using pool = new Pool({ ...options, port: door.port }, { clock: systemClock });
        const over = new AbortController();
        let answers = 0;
        const errors: unknown[] = [];
        const users = Array.from({ length: 12 }, async (_, number) => {
          while (!over.signal.aborted) {
            try {
              await pool.run("ping", (sql) => statement(sql, number));
              answers++;
            } catch (error) {
              errors.push(error);
              await new Promise((resolve) => setImmediate(resolve));
            }
          }
        });
        for (let round = 0; round < 20; round++) {
          const enough = answers + 10;
          while (answers < enough) await new Promise((resolve) => setImmediate(resolve));
          door.cut(round % 2 ? "reset" : "close");
        }
        over.abort();
        await Promise.all(users);
        await ping(pool);
        t.same(
          errors.filter((error) => !isAway(error)),
          [],
        );
      },
    );

    t.test("a statement sent while its connection breaks is never forgotten", async (t) => {
      const options = await server.database();
      await using door = await Door.open(options.port);
      // Its patience has no end: only the broken connection itself can end the waiting.
      const clock: Clock = {
        ...systemClock,
        sleep: (ms, signal) => systemClock.sleep(ms < 10_000 ? ms / 50 : LONG_MS, signal),
      };
      await using pool = new Pool({ ...options, port: door.port }, { clock });
      for (let round = 0; round < 60; round++) {
        await pool.run("ping", (sql) => sql`select 1`).catch(() => {});
        if (round % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
        door.cut(round % 2 ? "reset" : "close");
        for (let turns = 0; turns < round % 4; turns++) {
          await new Promise((resolve) => setImmediate(resolve));
        }
        await pool
          .run("ping", (sql) => sql`select ${round}::int`)
          .catch((error: unknown) => {
            if (!isAway(error)) throw error;
          });
      }
      await ping(pool).catch(() => {});
      await ping(pool);
      t.pass("each had its answer");
    });

    t.test("a server that stops and starts while it is used", async (t) => {
      const options = await server.database();
      await using pool = new Pool(options, { clock: systemClock });
      await ping(pool);
      const sleeping = pool.run("ping", (sql) => sql`select pg_sleep(600)`);
      await Promise.all([t.rejects(sleeping, { code: "DB_UNREACHABLE" }), server.stop()]);
      await t.rejects(ping(pool), { code: "DB_UNREACHABLE", message: /ECONNREFUSED/ });
      await server.start();
      await ping(pool);
    });

    t.test("no answer for longer than a statement may take is an absent server", async (t) => {
      const options = await server.database();
      await using door = await Door.open(options.port);
      const clock = new ManualClock();
      await using pool = new Pool({ ...options, port: door.port }, { clock });
      await ping(pool);
      door.silence();
      const waiting = ping(pool);
      const refused = t.rejects(waiting, { code: "DB_UNREACHABLE", message: /does not answer/ });
      await clock.advance(20_000);
      await refused;
      door.endSilence();
      const again = ping(pool);
      await clock.advance(1_000);
      await again;
      t.equal(clock.sleeping, 0);
    });

    t.test("an abort ends the waiting at once, and the statement is left to its end", async (t) => {
      const options = { ...(await server.database()), connectionsMax: 1 };
      await using pool = new Pool(options, { clock: systemClock });
      const stop = new AbortController();
      const waiting = pool.run("ping", (sql) => sql`select pg_sleep(0.1)`, stop);
      stop.abort(new RangeError("enough"));
      await t.rejects(waiting, RangeError);
      await t.rejects(
        pool.run("ping", (sql) => sql`select 1`, stop),
        RangeError,
      );
      await ping(pool);
    });

    t.test("its process ends by itself, though the server went silent", async (t) => {
      const options = await server.database();
      await using door = await Door.open(options.port);
      const child = fork(import.meta.filename, [JSON.stringify({ ...options, port: door.port })]);
      await said(child, "used");
      door.silence();
      child.send("close");
      t.same(await once(child, "exit"), [0, null]);
    });
  });

/** Some go in a transaction. */
async function statement(sql: Pool["sql"], number: number): Promise<void> {
  if (number % 3 > 0) await sql`select ${number}::int`;
  else
    await transaction(sql, async (tx) => {
      await tx`select 1`;
      await tx`select 2`;
    });
}

/** A server that speaks no Postgres. */
async function listen(t: Test, greet: (socket: net.Socket) => void): Promise<number> {
  const sockets = new Set<net.Socket>();
  const strange = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).resume();
    greet(socket);
  });
  t.teardown(() => {
    strange.close();
    for (const socket of sockets) socket.destroy();
  });
  strange.listen(0, "127.0.0.1");
  await once(strange, "listening");
  return (strange.address() as AddressInfo).port;
}

/** tap writes to its children on the same channel. */
async function said(speaker: NodeJS.EventEmitter, word: string): Promise<void> {
  const gone = once(speaker, "exit").then(() => {
    throw new Error(`ended without a word of ${word}`);
  });
  gone.catch(() => {});
  for (;;) if ((await Promise.race([once(speaker, "message"), gone]))[0] === word) return;
}

async function usePoolForParent(options: PoolOptions): Promise<void> {
  const pool = new Pool(options, { clock: systemClock });
  await Promise.all([1, 2].map(() => pool.run("ping", (sql) => sql`select 1`)));
  process.send?.("used");
  await said(process, "close");
  const stop = new AbortController();
  const waiting = pool.run("ping", (sql) => sql`select 1`, stop);
  stop.abort();
  await waiting.catch(() => {});
  await pool[Symbol.asyncDispose]();
  process.disconnect();
}
