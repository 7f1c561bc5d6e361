import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import {
  Door,
  onEachPostgres,
  openPool,
  openRegistry,
  until,
} from "../../test/fixtures/postgres.ts";
import { recordingLog } from "../../test/fixtures/recording-log.ts";
import { toRegistryError } from "./errors.ts";

onEachPostgres((t, server) => {
  t.test("opening makes the schema, and answers", async (t) => {
    const options = await server.emptyDatabase();
    const log = recordingLog();
    await using registry = await openRegistry(options, { log });
    t.ok(registry.ready());
    await registry.ping();
    t.same(await registry.livePeers(new AbortController()), []);
    t.equal((await registry.clusterKeys(new AbortController())).length, 1);
    t.match(log.lines, [{ level: "info", text: "registry schema migrated" }]);
  });

  t.test("what another try cannot mend stops the opening, whatever the mode", async (t) => {
    const options = await server.emptyDatabase();
    for (const whenUnreachable of ["fail", "retry"] as const) {
      const open = (changes: object) => openRegistry({ ...options, whenUnreachable, ...changes });
      await t.rejects(open({ migrate: false }), { code: "SCHEMA_BEHIND" });
      await t.rejects(open({ password: "wrong" }), { code: "DB_AUTH_FAILED" });
      await t.rejects(open({ database: "absent" }), { code: "DB_MISSING" });
    }
  });

  t.test("a user who may not make tables is told so", async (t) => {
    const options = await server.emptyDatabase();
    await using admin = openPool(options);
    await admin.sql`revoke create on schema public from public`;
    await admin.sql`create role poor login password 'secret'`;
    const refused = openRegistry({ ...options, user: "poor", password: "secret" });
    await t.rejects(refused, { code: "DB_FORBIDDEN", message: /poor.*schema public.*owner/ });
    await admin.sql`drop role poor`;
  });

  t.test(
    "an absent server: 'fail' says so, 'retry' goes on and comes when it is there",
    async (t) => {
      const options = await server.emptyDatabase();
      await server.stop();
      await t.rejects(openRegistry(options), { code: "DB_UNREACHABLE", message: /ECONNREFUSED/ });
      const clock = new ManualClock();
      const log = recordingLog();
      await using registry = await openRegistry(
        { ...options, whenUnreachable: "retry" },
        { clock, log },
      );
      t.notOk(registry.ready());
      const o = new AbortController();
      await t.rejects(registry.livePeers(o), { code: "DB_UNREACHABLE" });
      await t.rejects(registry.ping(), { code: "DB_UNREACHABLE" });
      await clock.advance(60_000);
      t.notOk(registry.ready());
      await server.start();
      await until(async () => {
        await clock.advance(1_000);
        return registry.ready();
      });
      t.same(await registry.livePeers(o), []);
      await until(() => log.lines.some(({ text }) => text === "registry is back"));
      t.notOk(log.lines.some(({ level }) => level === "error"));
    },
  );

  t.test(
    "a server that went, and came back, is used again by whoever holds the registry",
    async (t) => {
      const options = await server.database();
      await using registry = await openRegistry(options);
      await server.stop();
      await t.rejects(registry.ping(), { code: "DB_UNREACHABLE" });
      t.ok(registry.ready(), "what it knew of the schema still holds");
      await server.start();
      await registry.ping();
    },
  );

  t.test("disposing gives up an opening that waits for another node's migration", async (t) => {
    const options = await server.emptyDatabase();
    await using door = await Door.open(options.port);
    door.silence();
    const mute = {
      ...options,
      port: door.port,
      connectTimeoutMs: 1_000,
      whenUnreachable: "retry" as const,
    };
    const clock = new ManualClock();
    const registry = await openRegistry(mute, { clock });
    await using pool = openPool(options);
    await pool.sql.begin(async (tx) => {
      await tx`select pg_advisory_xact_lock(${0x6f6c6c61})`;
      door.endSilence();
      await until(async () => {
        await clock.advance(1_000);
        const waiting =
          await pool.sql`select from pg_locks where locktype = 'advisory' and not granted`;
        return waiting.length > 0;
      });
      await registry[Symbol.asyncDispose]();
    });
    t.notOk(registry.ready());
    t.equal(clock.sleeping, 0);
  });

  t.test("each code of a driver or server has its sentence", (t) => {
    const db = { host: "db.example", port: 5432, database: "d", user: "u" };
    const table: readonly [thrown: string, code: string, message: RegExp][] = [
      ["ENOTFOUND", "DB_UNREACHABLE", /db.example:5432 \(ENOTFOUND\): start Postgres there, or/],
      ["57P03", "DB_UNREACHABLE", /takes no connection now \(57P03\): wait/],
      ["53300", "DB_UNREACHABLE", /max_connections/],
      ["28P01", "DB_AUTH_FAILED", /refused user u: correct/],
      ["3D000", "DB_MISSING", /no database d: create it/],
      ["42501", "DB_FORBIDDEN", /may not.*owner/],
      ["DEPTH_ZERO_SELF_SIGNED_CERT", "DB_TLS_FAILED", /NODE_EXTRA_CA_CERTS/],
      ["ERR_TLS_CERT_ALTNAME_INVALID", "DB_TLS_FAILED", /OLLAMA_DB_SSL_MODE/],
      ["25006", "DB_READ_ONLY", /point OLLAMA_DB_HOST at the primary/],
      ["57014", "DB_TIMEOUT", /pg_stat_activity/],
      ["40P01", "DB_CONFLICT", /\(40P01\).*try again/],
      ["40001", "DB_CONFLICT", /\(40001\)/],
      ["53100", "DB_FULL", /disk/],
    ];
    for (const [thrown, code, message] of table) {
      const error = Object.assign(new Error("text"), { code: thrown });
      t.match(toRegistryError(error, db), { code, message, cause: error }, thrown);
    }
    const other = Object.assign(new Error("text"), { code: "22012" });
    t.equal(toRegistryError(other, db), other);
    t.equal(toRegistryError("text", db), "text");
    t.end();
  });
});
