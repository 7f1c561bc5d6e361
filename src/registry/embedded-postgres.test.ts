import { fork } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import net, { type AddressInfo } from "node:net";
import path from "node:path";
import t from "tap";
import { databaseFolder, openPool, openPostgres, until } from "../../test/fixtures/postgres.ts";
import { EmbeddedPostgres } from "./embedded-postgres.ts";
import type { PoolOptions } from "./options.ts";

const [, , task] = process.argv;
if (task) await holdForParent(task);
else tests();

function tests(): void {
  t.test("the same folder has the same data, password and database again", async (t) => {
    const folder = databaseFolder(t);
    const first = await openPostgres(folder);
    await leaveMark(first);
    t.same(await EmbeddedPostgres.find(folder), first.address);
    t.equal(statSync(path.join(folder, "postgres-password")).mode & 0o777, 0o600);
    await first[Symbol.asyncDispose]();
    await first[Symbol.asyncDispose]();
    t.equal(await EmbeddedPostgres.find(folder), undefined, "none runs");
    await using second = await openPostgres(folder);
    t.equal(second.address.password, first.address.password);
    t.ok(await hasMark(second));
  });

  t.test("a second one on the folder takes it over, and both can be disposed", async (t) => {
    const folder = databaseFolder(t);
    const first = await openPostgres(folder);
    await leaveMark(first);
    const second = await openPostgres(folder);
    t.notOk(isRunning(first.pid));
    t.ok(await hasMark(second));
    await first[Symbol.asyncDispose]();
    t.ok(await hasMark(second));
    await second[Symbol.asyncDispose]();
    t.notOk(isRunning(second.pid));
  });

  t.test(
    "the server that a killed process left behind is stopped first, on the same port",
    async (t) => {
      const folder = databaseFolder(t);
      const parent = fork(import.meta.filename, [folder]);
      const left = await pidFrom(parent);
      const address = await EmbeddedPostgres.find(folder);
      parent.kill("SIGKILL");
      await once(parent, "exit");
      t.ok(isRunning(left));
      await using fresh = await openPostgres(folder, { port: address?.port ?? 0 });
      t.notOk(isRunning(left));
      t.ok(await hasMark(fresh));
    },
  );

  t.test(
    "a postmaster that is killed is started again, at the same place and with what was committed",
    async (t) => {
      await using postgres = await openPostgres(databaseFolder(t));
      await leaveMark(postgres);
      const killed = postgres.pid;
      await using pool = openPool(options(postgres));
      await using looking = openPool(options(postgres));
      // A session that does not look up from its work would hold the server's memory for minutes.
      const busy = pool.sql`select count(*) from generate_series(1, 20000) a, generate_series(1, 20000) b`;
      const ended = t.rejects(busy, Error);
      await until(async () => {
        const rows = await looking.sql`select from pg_stat_activity where query like '%20000%'
        and state = 'active' and pid <> pg_backend_pid()`;
        return rows.length > 0;
      });
      process.kill(killed, "SIGKILL");
      await until(() => postgres.pid !== killed);
      t.ok(await hasMark(postgres));
      t.notOk(isRunning(killed));
      await ended;
    },
  );

  t.test("a process number in a stale file that is now another's is left alone", async (t) => {
    const folder = databaseFolder(t);
    await (await openPostgres(folder))[Symbol.asyncDispose]();
    const stale = [
      process.ppid,
      path.join(folder, "postgres"),
      1,
      5432,
      "",
      "127.0.0.1",
      "",
      "ready",
    ];
    writeFileSync(path.join(folder, "postgres", "postmaster.pid"), stale.join("\n"));
    t.equal(await EmbeddedPostgres.find(folder), undefined);
    await using second = await openPostgres(folder);
    t.ok(isRunning(process.ppid));
    t.ok(isRunning(second.pid));
  });

  t.test("a port that is taken", async (t) => {
    const folder = databaseFolder(t);
    const holder = net.createServer().listen(0, "127.0.0.1");
    await once(holder, "listening");
    const { port } = holder.address() as AddressInfo;
    const message = new RegExp(`port ${port} is in use.*OLLAMA_DB_PORT`);
    await t.rejects(openPostgres(folder, { port }), { code: "PORT_TAKEN", message });
    t.notOk(existsSync(path.join(folder, "postgres")), "and no file was made for nothing");
    holder.close();
    await once(holder, "close");
    await using postgres = await openPostgres(folder, { port });
    t.equal(postgres.address.port, port);
  });

  t.test("a start that was killed while the files were made is made again", async (t) => {
    const folder = databaseFolder(t);
    mkdirSync(path.join(folder, "postgres.new"));
    writeFileSync(path.join(folder, "postgres.new", "PG_VERSION"), "half");
    await using postgres = await openPostgres(folder);
    await leaveMark(postgres);
    t.notOk(existsSync(path.join(folder, "postgres.new")));
    t.notOk(existsSync(path.join(folder, "postgres.pw")));
  });

  t.test("files that are broken give the server's own reason", async (t) => {
    const folder = databaseFolder(t);
    await (await openPostgres(folder))[Symbol.asyncDispose]();
    writeFileSync(path.join(folder, "postgres", "PG_VERSION"), "9\n");
    const message = /did not start.*(incompatible|version 9).*OLLAMA_DB_HOST/s;
    await t.rejects(openPostgres(folder), { code: "POSTGRES_FAILED", message });
    t.ok(readFileSync(path.join(folder, "postgres.log"), "utf8").length > 0);
  });

  t.test(
    "a folder that the database's account cannot enter",
    {
      skip: process.getuid?.() !== 0 && "only root needs another account",
    },
    async (t) => {
      const outer = databaseFolder(t);
      chmodSync(outer, 0o700);
      const folder = path.join(outer, "data");
      const message = new RegExp(
        `cannot enter ${outer}: set OLLAMA_DATA_DIR.*chmod o\\+x ${outer}`,
      );
      await t.rejects(openPostgres(folder), { code: "DATA_DIR_UNREACHABLE", message });
      t.notOk(existsSync(path.join(folder, "postgres")));
    },
  );
}

function options({ address }: EmbeddedPostgres): PoolOptions {
  const limits = { connectionsMax: 1, idleTimeoutMs: 60_000, lifetimeMaxMs: 60_000 };
  return { ...address, ...limits, sslMode: "disable" };
}

async function leaveMark(postgres: EmbeddedPostgres): Promise<void> {
  await using pool = openPool(options(postgres));
  await pool.sql`create table mark (id int)`;
}

async function hasMark(postgres: EmbeddedPostgres): Promise<boolean> {
  await using pool = openPool(options(postgres));
  const [row] = await pool.sql<
    { known: boolean }[]
  >`select to_regclass('mark') is not null as known`;
  return row?.known ?? false;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
}

/** tap writes to its children on the same channel. */
async function pidFrom(child: NodeJS.EventEmitter): Promise<number> {
  for (;;) {
    const [message] = await once(child, "message");
    if (typeof message === "number") return message;
  }
}

async function holdForParent(folder: string): Promise<void> {
  const postgres = await openPostgres(folder);
  await leaveMark(postgres);
  process.send?.(postgres.pid);
  await until(() => false);
}
