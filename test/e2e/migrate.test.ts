import t from "tap";
import { TestDaemon } from "../fixtures/daemon.ts";
import { databaseFolder, openPool, openPostgres, TestServer } from "../fixtures/postgres.ts";

async function run(args: readonly string[], env: Readonly<Record<string, string>>) {
  await using process = new TestDaemon(env, args);
  const { code, stderr } = await process.ended;
  return { code, stderr, stdout: process.output };
}

t.test("a server's schema is checked, raised once, and refused when it is newer", async (t) => {
  await using server = await TestServer.open(t);
  const options = await server.emptyDatabase();
  const env = {
    OLLAMA_DB_HOST: options.host,
    OLLAMA_DB_PORT: String(options.port),
    OLLAMA_DB_NAME: options.database,
    OLLAMA_DB_USER: options.user,
    OLLAMA_DB_PASSWORD: options.password ?? "",
  };
  t.match(await run(["migrate", "--check"], env), {
    code: 1,
    stderr: /^ollamamax: the database lacks \d+ migration\(s\), first 0001_registry\.sql.*\n$/,
    stdout: "",
  });
  const behind = await run(["migrate", "--check", "--json"], env);
  t.match({ code: behind.code, ...JSON.parse(behind.stdout) }, { code: 1, state: "behind" });
  t.match(await run(["migrate", "--up"], env), { code: 0, stdout: /applied 0001_registry\.sql/ });
  t.match(await run(["migrate", "--up"], env), { code: 0, stdout: /was current already\n$/ });
  t.match(await run(["migrate", "--check"], env), { code: 0, stdout: /is current\n$/ });

  await using pool = openPool(options);
  await pool.sql`insert into schema_migrations (name, sha256) values ('9999_later.sql', 'x')`;
  const newer = { code: 1, stderr: /^ollamamax: .*newer version \(migration 9999_later\.sql/ };
  t.match(await run(["migrate", "--check"], env), newer);
  t.match(await run(["migrate", "--up"], env), newer);

  const wrong = { ...env, OLLAMA_DB_PASSWORD: "wrong" };
  t.match(await run(["migrate", "--check"], wrong), {
    code: 1,
    stderr: /^ollamamax: the database at \S+ refused user [^\n]+\n$/,
  });
});

t.test("the embedded database is started for the command when nobody runs it", async (t) => {
  const folder = databaseFolder(t);
  const env = { OLLAMA_DATA_DIR: folder, OLLAMA_DB_PORT: "0" };
  t.match(await run(["migrate", "--check"], env), {
    code: 1,
    stderr: /^ollamamax: there is no embedded database in [^\n]+\n$/,
  });
  await (await openPostgres(folder))[Symbol.asyncDispose]();
  t.match(await run(["migrate", "--up"], env), { code: 0, stdout: /applied 0001_registry/ });
  await using _running = await openPostgres(folder);
  t.match(await run(["migrate", "--check"], env), { code: 0, stdout: /is current/ });
});

t.test("one of the two must be asked for", async (t) => {
  for (const args of [["migrate"], ["migrate", "--check", "--up"], ["migrate", "--down"]]) {
    t.match(await run(args, {}), { code: 2, stderr: /^ollamamax: / }, args.join(" "));
  }
});
