import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import type { PoolOptions } from "../../src/registry/options.ts";
import { TestDaemon, withoutOurs } from "../fixtures/daemon.ts";
import { manyEntries, objectMetadata, writeLegacyStore } from "../fixtures/legacy-store.ts";
import { databaseFolder, openPool, TestServer } from "../fixtures/postgres.ts";
import { tempFolder } from "../fixtures/temp-folder.ts";

async function run(args: readonly string[], env: Readonly<Record<string, string>>) {
  await using process = new TestDaemon(env, ["import-leveldb", ...args]);
  const { code, stderr } = await process.ended;
  return { code, stderr, stdout: process.output };
}

const server = await TestServer.open(t);
t.teardown(() => server[Symbol.asyncDispose]());

const environment = (options: PoolOptions) => ({
  OLLAMA_DB_HOST: options.host,
  OLLAMA_DB_PORT: String(options.port),
  OLLAMA_DB_NAME: options.database,
  OLLAMA_DB_USER: options.user,
  OLLAMA_DB_PASSWORD: options.password ?? "",
});

t.test("a dry run, the import, and the import again; what is skipped is reported", async (t) => {
  const store = path.join(tempFolder(t), "store");
  await writeLegacyStore(store, [
    ...manyEntries(1_200),
    ["zz-1", objectMetadata("model-0000000")],
    ["zz-2", objectMetadata("m", { size: -1 })],
    ["zz-3", Buffer.from("\u001b[2Jnot json")],
    ["zz-4", objectMetadata("n".repeat(256))],
    ["zz-5", objectMetadata("with-replica", { replicas: ["gone"] })],
    ...Array.from({ length: 20 }, (_, number) => [`zzz-${number}`, null] as const),
  ]);
  const options = await server.emptyDatabase();
  const env = environment(options);
  const json = async (...args: string[]) => {
    const { code, stdout, stderr } = await run([store, "--json", ...args], env);
    t.same({ code, stderr }, { code: 0, stderr: "" });
    return JSON.parse(stdout);
  };
  t.match(await run([store, "--dry-run"], env), { code: 1, stderr: /lacks \d+ migration/ });
  const reasons = {
    ...{ DUPLICATE_NAME: 1, WRONG_FIELD: 21, NOT_JSON: 1, NAME_TOO_LONG: 1, UNKNOWN_NODE: 1 },
  };
  const first = await run([store], env);
  t.match(first, {
    code: 0,
    stdout:
      /^1225 entries: 1201 imported, 0 present already, 24 skipped; 0 replicas recorded\n\nREASON/,
    stderr: /^\d+ of 1225 entries\n/,
  });
  t.match(first.stdout, /WRONG_FIELD +21 +a field is missing/);
  t.match(first.stdout, /"zz-2" +WRONG_FIELD +size: /);
  t.match(first.stdout, /and 15 more; all of them: \S+store\.import-report\.ndjson\n$/);
  t.notMatch(first.stdout, "\u001b");
  const again = { entries: 1_225, imported: 0, present: 1_201, skipped: 24, reasons };
  t.match(await json("--dry-run"), { ...again, dryRun: true });
  const report = path.join(path.dirname(store), "elsewhere");
  t.match(await json("--report", report), again);
  const lines = readFileSync(report, "utf8").trimEnd().split("\n");
  const told = lines.map((line) => JSON.parse(line));
  t.equal(told.length, 26);
  t.match(told.at(-1), { summary: again });
  const duplicate = told.find(({ key }) => key === "zz-1");
  t.match(duplicate, { reason: "DUPLICATE_NAME", detail: /the entry "model-0000000" too/ });
  await using pool = openPool(options);
  const [count] = await pool.sql`select count(*)::int as count from models`;
  t.same({ ...count }, { count: 1_201 });
});

/** An import of 20,000 entries that waits for us in its middle, once it has told of its first tenth. */
async function heldImport(store: string) {
  await writeLegacyStore(store, manyEntries(20_000));
  const options = await server.database();
  const env = environment(options);
  const pool = openPool(options);
  const waiting = Promise.withResolvers<void>();
  const inserted = Promise.withResolvers<void>();
  const holding = pool.sql.begin(async (tx) => {
    await tx`insert into models (name, version, size, hash)
      values ('registry.ollama.ai/library/model-0010000:latest', '', 0, '')`;
    inserted.resolve();
    await waiting.promise;
    await tx`delete from models where hash = ''`;
  });
  await inserted.promise;
  const child = spawn(process.execPath, ["src/main.ts", "import-leveldb", store], {
    // What a killed one leaves behind goes with the test's folder.
    env: { ...withoutOurs(process.env), ...env, TMPDIR: path.dirname(store) },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  const told = once(child.stderr, "data");
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  const ended = once(child, "close").then(([code]) => ({ code, stderr }));
  await told;
  return {
    ...{ child, ended, env, sql: pool.sql },
    release: async (): Promise<void> => {
      waiting.resolve();
      await holding;
    },
    [Symbol.asyncDispose]: async (): Promise<void> => {
      child.kill("SIGKILL");
      waiting.resolve();
      await holding;
      await pool[Symbol.asyncDispose]();
    },
  };
}

t.test("killed half-way and started again: it goes on, each model there once", async (t) => {
  const store = path.join(tempFolder(t), "store");
  await using held = await heldImport(store);
  held.child.kill("SIGKILL");
  await held.ended;
  await held.release();
  const [before] = await held.sql`select count(*)::int as count from models`;
  t.ok(before?.["count"] > 0 && before?.["count"] <= 10_000, `${before?.["count"]} were written`);
  t.equal(before?.["count"] % 500, 0, "in whole batches");
  const { code, stdout } = await run([store, "--json"], held.env);
  const done = JSON.parse(stdout);
  t.match({ code, ...done }, { code: 0, entries: 20_000, skipped: 0 });
  t.equal(done.imported + done.present, 20_000);
  t.ok(done.present > 0);
  const [after] = await held.sql`
    select count(*)::int as count, count(distinct name)::int as names from models`;
  t.same({ ...after }, { count: 20_000, names: 20_000 });
});

t.test("asked to stop, it ends after the batch under way", async (t) => {
  const store = path.join(tempFolder(t), "store");
  await using held = await heldImport(store);
  held.child.kill("SIGTERM");
  await held.release();
  const { code, stderr } = await held.ended;
  t.equal(code, 1);
  t.match(stderr, /\nollamamax: stopped before the end: start it again to go on\n$/);
  const [count] = await held.sql`select count(*)::int as count from models`;
  t.ok(count?.["count"] < 20_000);
});

t.test("a machine without a database: the dry run makes none, the import does", async (t) => {
  const dir = databaseFolder(t);
  const store = path.join(dir, "store");
  await writeLegacyStore(store, manyEntries(10));
  const env = { OLLAMA_DATA_DIR: path.join(dir, "data"), OLLAMA_DB_PORT: "0" };
  const dry = await run([store, "--dry-run"], env);
  t.match(dry, { code: 0, stdout: /^10 entries: 10 would be imported/ });
  t.notOk(existsSync(env.OLLAMA_DATA_DIR));
  t.match(await run([store], env), { code: 0, stdout: /^10 entries: 10 imported/ });
  t.match(await run([store], env), { code: 0, stdout: /0 imported, 10 present already/ });
});

t.test("what cannot be read or written ends with code 1 and one sentence", async (t) => {
  const dir = tempFolder(t, { file: "text", folder: {} });
  const store = path.join(dir, "store");
  await writeLegacyStore(store, manyEntries(1));
  const env = environment(await server.emptyDatabase());
  const unwritable = ["--report", path.join(dir, "no", "report")];
  const rows: readonly [string[], RegExp][] = [
    [[path.join(dir, "absent")], /there is no folder \S+absent/],
    [[path.join(dir, "file")], /file is a file/],
    [[path.join(dir, "folder")], /is not a LevelDB store/],
    [[store, ...unwritable], /cannot write the report .* --report/],
  ];
  for (const [args, sentence] of rows) {
    const { code, stderr, stdout } = await run(args, env);
    t.match({ code, stdout }, { code: 1, stdout: "" }, stderr);
    t.match(stderr, new RegExp(`^ollamamax: [^\\n]*${sentence.source}[^\\n]*\\n$`));
  }
  t.match(await run([], env), { code: 2, stderr: /import-leveldb takes PATH/ });
  t.match(await run([store], { ...env, OLLAMA_DB_PASSWORD: "x" }), { code: 1, stderr: /refused/ });
});
