import { chownSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import tls from "node:tls";
import type { Test } from "tap";
import { type Certificate, TestAuthority } from "../../test/fixtures/certificates.ts";
import { Door, onEachPostgres, openPool, type TestServer } from "../../test/fixtures/postgres.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { databaseAccount } from "./embedded/account.ts";
import { isAway } from "./errors.ts";
import type { PoolOptions } from "./options.ts";
import { Pool } from "./pool.ts";

type Row = readonly [changes: Partial<PoolOptions>, outcome: boolean | [code: string, RegExp]];

const NO_TLS: [string, RegExp] = ["DB_UNREACHABLE", /turn on ssl.*OLLAMA_DB_SSL_MODE=prefer/];
const STRANGER: [string, RegExp] = [
  "DB_TLS_FAILED",
  /refused \(UNABLE_TO_VERIFY_LEAF_SIGNATURE\).*NODE_EXTRA_CA_CERTS/,
];
const WRONG_NAME: [string, RegExp] = ["DB_TLS_FAILED", /refused \(ERR_TLS_CERT_ALTNAME_INVALID\)/];
const LONG_MS = 3_600_000;

onEachPostgres((t, server) => {
  const authority = new TestAuthority();

  /** Whether the connection is encrypted, or why there is none. */
  async function expect(t: Test, rows: readonly Row[]): Promise<void> {
    const good = await server.database();
    for (const [changes, outcome] of rows) {
      await using pool = new Pool({ ...good, ...changes }, { clock: systemClock });
      const asked = pool.run(
        "ping",
        (sql) => sql<{ ssl: boolean }[]>`select ssl from pg_stat_ssl where pid = pg_backend_pid()`,
      );
      const text = JSON.stringify(changes);
      if (typeof outcome === "boolean") t.match(await asked, [{ ssl: outcome }], text);
      else await t.rejects(asked, { code: outcome[0], message: outcome[1] }, text);
    }
  }

  t.test("a server without TLS", async (t) => {
    await expect(t, [
      [{ sslMode: "disable" }, false],
      [{ sslMode: "prefer" }, false],
      [{ sslMode: "require" }, NO_TLS],
      [{ sslMode: "verify-full" }, NO_TLS],
    ]);
  });

  t.test("a server whose authority nobody here knows", async (t) => {
    await serve(server, authority.issue(["localhost", "127.0.0.1"]));
    await expect(t, [
      [{ sslMode: "disable" }, false],
      [{ sslMode: "prefer" }, true],
      [{ sslMode: "require" }, true],
      [{ sslMode: "verify-full" }, STRANGER],
    ]);
  });

  t.test("an authority that is known: the name counts", async (t) => {
    // The process's own, and the other server's tests run beside these: each adds and takes away its own.
    const others = () =>
      tls.getCACertificates("default").filter((known) => known !== authority.certificate);
    tls.setDefaultCACertificates([...others(), authority.certificate]);
    t.teardown(() => tls.setDefaultCACertificates(others()));
    const full = { sslMode: "verify-full" } as const;
    await serve(server, authority.issue(["localhost", "127.0.0.1"]));
    await expect(t, [
      [full, true],
      [{ ...full, host: "localhost" }, true],
    ]);
    await serve(server, authority.issue(["localhost"]));
    await expect(t, [
      [{ ...full, host: "localhost" }, true],
      [full, WRONG_NAME],
      [{ sslMode: "require" }, true],
    ]);
    await serve(server, authority.issue(["127.0.0.2", "db.example"]));
    await expect(t, [
      [{ ...full, host: "localhost" }, WRONG_NAME],
      [full, WRONG_NAME],
    ]);
  });

  t.test("a server that takes nobody without TLS says so", async (t) => {
    const hba = path.join(server.folder, "postgres", "pg_hba.conf");
    const before = readFileSync(hba, "utf8");
    writeFileSync(hba, "hostssl all all 127.0.0.1/32 scram-sha-256\n");
    await server.stop();
    // What starts it looks in, without TLS.
    writeFileSync(
      hba,
      `host postgres all 127.0.0.1/32 scram-sha-256\n${readFileSync(hba, "utf8")}`,
    );
    await server.start();
    const refused: [string, RegExp] = ["DB_TLS_FAILED", /without TLS: set OLLAMA_DB_SSL_MODE/];
    await expect(t, [
      [{ sslMode: "disable" }, refused],
      [{ sslMode: "prefer" }, true],
      [{ sslMode: "require" }, true],
    ]);
    writeFileSync(hba, before);
    await server.stop();
    await server.start();
  });

  t.test("encrypted connections that break are as harmless as plain ones", async (t) => {
    const options = { ...(await server.database()), sslMode: "require" as const };
    await using door = await Door.open(options.port);
    // Its patience has no end: only the broken connection itself can end the waiting.
    const clock: Clock = {
      ...systemClock,
      sleep: (ms, signal) => systemClock.sleep(ms < 10_000 ? ms / 50 : LONG_MS, signal),
    };
    await using pool = new Pool({ ...options, port: door.port }, { clock });
    let answers = 0;
    for (let round = 0; round < 60; round++) {
      const asked = Promise.allSettled(
        Array.from({ length: 3 }, () => pool.run("ping", (sql) => sql`select ${round}::int`)),
      );
      for (let turns = 0; turns < round; turns++) await new Promise((r) => setImmediate(r));
      door.cut(round % 2 ? "reset" : "close");
      for (const result of await asked) {
        if (result.status === "fulfilled") answers++;
        else t.ok(isAway(result.reason), String(result.reason));
      }
    }
    while (answers === 0) {
      await pool
        .run("ping", (sql) => sql`select 1`)
        .then(
          () => answers++,
          () => {},
        );
    }
    t.pass("each had its answer");
  });
});

/** Starts the server again with this certificate. */
async function serve(server: TestServer, { certificate, key }: Certificate): Promise<void> {
  const certificateFile = path.join(server.folder, "server.crt");
  const keyFile = path.join(server.folder, "server.key");
  writeFileSync(certificateFile, certificate);
  writeFileSync(keyFile, key, { mode: 0o600 });
  const account = databaseAccount();
  if (account) chownSync(keyFile, account.uid, account.gid);
  {
    await using pool = openPool({ ...(await server.emptyDatabase()) });
    await pool.sql.unsafe(`alter system set ssl_cert_file = '${certificateFile}'`);
    await pool.sql.unsafe(`alter system set ssl_key_file = '${keyFile}'`);
    await pool.sql.unsafe("alter system set ssl = on");
  }
  await server.stop();
  await server.start();
}
