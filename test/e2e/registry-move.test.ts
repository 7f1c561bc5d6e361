import { existsSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { upsertModel } from "../../src/registry/models.ts";
import { TestDaemon } from "../fixtures/daemon.ts";
import { databaseFolder, openPool, openPostgres, TestServer } from "../fixtures/postgres.ts";
import { testModel } from "../fixtures/registry-rows.ts";

const DEBIAN_15 = "/usr/lib/postgresql/15/bin";

async function run(args: readonly string[], env: Readonly<Record<string, string>>) {
  await using process = new TestDaemon(env, args);
  const { code, stderr } = await process.ended;
  return { code, stderr, stdout: process.output };
}

t.test("the embedded database moves into a server, once", async (t) => {
  const binaries = {
    initdb: path.join(DEBIAN_15, "initdb"),
    postgres: path.join(DEBIAN_15, "postgres"),
  };
  const oldest = existsSync(binaries.postgres) ? binaries : undefined;
  await using server = await TestServer.open(t, oldest);
  const target = await server.emptyDatabase();
  const url = `postgres://${target.user}@${target.host}:${target.port}/${target.database}?sslmode=disable`;

  const dataDir = databaseFolder(t);
  const env = {
    OLLAMA_DATA_DIR: dataDir,
    OLLAMA_DB_PORT: "0",
    OLLAMA_DB_PASSWORD: target.password ?? "",
  };
  const move = (...more: string[]) => run(["registry", "move", "--to", url, ...more], env);
  t.match(await move(), { code: 1, stderr: /^ollamamax: there is no embedded database in/ });
  await (await openPostgres(dataDir))[Symbol.asyncDispose]();
  t.match(await move(), { code: 1, stderr: /^ollamamax: the database lacks \d+ migration/ });
  t.match(await run(["migrate", "--up"], env), { code: 0 });
  {
    await using source = await openPostgres(dataDir);
    await using pool = openPool({ ...target, ...source.address });
    await upsertModel(pool.sql, testModel("a"));
    const wrong = { ...env, OLLAMA_DB_PASSWORD: "wrong" };
    const refused = await run(["registry", "move", "--to", url], wrong);
    t.match(refused, { code: 1, stderr: /^ollamamax: the database at \S+ refused user / });
    const moved = await move();
    t.match(moved, {
      code: 0,
      stdout: /\nmodels +1 +[0-9a-f]+-[0-9a-f]+ +same\n/,
      stderr: /^models: 1 rows$/m,
    });
    t.match(moved.stdout, /embedded database is in use/);
    t.match(moved.stdout, `OLLAMA_DB_HOST=${target.host} OLLAMA_DB_PORT=${target.port}`);
  }
  const again =
    /^ollamamax: the new database is not empty \(its table models has 1 rows\)[^\n]+\n$/m;
  t.match(await move("--json"), { code: 1, stdout: "", stderr: again });
  await using pool = openPool(target);
  const rows = await pool.sql`select name from models`;
  t.equal(rows.length, 1);
});

t.test("mistakes in the command end with code 2", async (t) => {
  const rows: readonly [string[], RegExp][] = [
    [["registry"], /registry takes ACTION/],
    [["registry", "copy"], /registry knows move, not "copy"/],
    [["registry", "move"], /takes --to URL/],
    [["registry", "move", "--to", "db"], /URL is not valid: it must look like postgres:/],
  ];
  for (const [args, stderr] of rows) {
    t.match(await run(args, { OLLAMA_DATA_DIR: "/nowhere" }), { code: 2, stderr }, args.join(" "));
  }
});
