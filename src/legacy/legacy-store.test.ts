import { fork, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { ClassicLevel } from "classic-level";
import t from "tap";
import { manyEntries, objectMetadata, writeLegacyStore } from "../../test/fixtures/legacy-store.ts";
import { tempFolder } from "../../test/fixtures/temp-folder.ts";
import type { LegacyModel } from "../core/legacy-model.ts";
import { LegacyStore, type Skipped } from "./legacy-store.ts";

const never = { signal: new AbortController().signal };

const FLOCK = "/usr/bin/flock";

const [, , task, folder = ""] = process.argv;
if (task === "hold") await holdOpen();
else if (task === "count") await countModels();
else {
  t.test("entries come in order, the first of a name; the others have a reason", async (t) => {
    const store = path.join(tempFolder(t), "store");
    await writeLegacyStore(store, [
      ["models/b", objectMetadata("b")],
      ["models/a", objectMetadata("a:latest")],
      ["models/c", objectMetadata("registry.ollama.ai/library/A:latest")],
      [Uint8Array.of(0xff, 0), objectMetadata("d")],
      ["index", Buffer.from("not json")],
    ]);
    const { models, skipped } = await readAll(store);
    t.same(
      models.map(({ key, name }) => [key, name]),
      [
        ["models/a", "registry.ollama.ai/library/a:latest"],
        ["models/b", "registry.ollama.ai/library/b:latest"],
        ["base64:/wA=", "registry.ollama.ai/library/d:latest"],
      ],
    );
    t.match(skipped, [
      { key: "index", reason: "NOT_JSON" },
      { key: "models/c", reason: "DUPLICATE_NAME", detail: /the entry "models\/a" too/ },
    ]);
  });

  t.test("duplicates are found however far apart they are", async (t) => {
    const store = path.join(tempFolder(t), "store");
    await writeLegacyStore(store, [...manyEntries(3_000), ["z", objectMetadata("MODEL-0000000")]]);
    await using open = await LegacyStore.open({ folder: store }, never);
    t.match(await open.size(never), { entries: 3_001 });
    for (const round of ["first", "second"]) {
      const { models, skipped } = await collect(open);
      t.equal(models.length, 3_000, round);
      t.match(skipped, [{ key: "z", reason: "DUPLICATE_NAME" }], round);
    }
  });

  t.test("the old store and its folder stay as they are, byte for byte", async (t) => {
    const dir = tempFolder(t, { tmp: {} });
    const copies = path.join(dir, "tmp");
    const { TMPDIR } = process.env;
    process.env["TMPDIR"] = copies;
    t.teardown(() => {
      if (TMPDIR === undefined) delete process.env["TMPDIR"];
      else process.env["TMPDIR"] = TMPDIR;
    });
    const store = path.join(dir, "store");
    await writeLegacyStore(store, manyEntries(5_000));
    const before = print(store);
    {
      await using open = await LegacyStore.open({ folder: store }, never);
      t.equal((await collect(open)).models.length, 5_000);
      t.equal(readdirSync(copies).length, 1);
    }
    t.same(print(store), before);
    truncateSync(path.join(store, "CURRENT"), 1);
    await t.rejects(readAll(store), { code: "STORE_CORRUPT" });
    t.same(readdirSync(copies), [], "and no copy is left behind");
  });

  t.test("a store that is empty, or that nobody may write to, is read", async (t) => {
    const store = path.join(tempFolder(t), "store");
    await writeLegacyStore(store, []);
    t.same(await readAll(store), { models: [], skipped: [] });
    await writeLegacyStore(store, manyEntries(10));
    rmSync(path.join(store, "LOCK"));
    chmodSync(store, 0o555);
    t.equal((await readAll(store)).models.length, 10);
    t.notOk(readdirSync(store).includes("LOCK"));
    chmodSync(store, 0o755);
  });

  t.test("a store that another process has open is refused, and left to it", async (t) => {
    const store = path.join(tempFolder(t), "store");
    await writeLegacyStore(store, manyEntries(10));
    const child = fork(import.meta.filename, ["hold", store]);
    const closed = once(child, "close");
    while ((await once(child, "message"))[0] !== "open");
    const refused = { code: "STORE_IN_USE", message: /is open elsewhere.*stop the old program/ };
    await t.rejects(LegacyStore.open({ folder: store }, never), refused);
    child.send("close");
    await closed;
    t.equal((await readAll(store)).models.length, 10);
  });

  t.test("so is one whose holder locks as Go's LevelDB does", async (t) => {
    if (!existsSync(FLOCK) || !existsSync("/proc/locks")) return t.pass(`no ${FLOCK} here`);
    const store = path.join(tempFolder(t), "store");
    await writeLegacyStore(store, manyEntries(10));
    const child = spawn(FLOCK, [path.join(store, "LOCK"), "sh", "-c", "echo locked; cat"]);
    const closed = once(child, "close");
    await once(child.stdout, "data");
    const refused = { code: "STORE_IN_USE", message: /is open elsewhere by process \d+: stop/ };
    await t.rejects(LegacyStore.open({ folder: store }, never), refused);
    child.stdin.end();
    await closed;
    return t.equal((await readAll(store)).models.length, 10);
  });

  t.test("while it is read nobody else can open it", async (t) => {
    const store = path.join(tempFolder(t), "store");
    await writeLegacyStore(store, manyEntries(10));
    await using _open = await LegacyStore.open({ folder: store }, never);
    const child = fork(import.meta.filename, ["hold", store], { silent: true });
    t.same((await once(child, "close"))[0], 1);
  });

  t.test("what is no store, or a damaged one, is refused in one sentence", async (t) => {
    const dir = tempFolder(t, { file: "text", folder: { readme: "text" } });
    const whole = path.join(dir, "whole");
    await writeWithOldLog(whole);
    const first = (pattern: RegExp) => (store: string) =>
      path.join(
        store,
        readdirSync(store)
          .filter((name) => pattern.test(name))
          .sort()[0] ?? "",
      );
    const table = first(/\.ldb$/);
    const log = first(/\.log$/);
    const manifest = first(/^MANIFEST/);
    const rows: readonly [string, string, (store: string) => void][] = [
      ["table cut", "STORE_CORRUPT", (store) => cut(table(store), 2)],
      ["table emptied", "STORE_CORRUPT", (store) => truncateSync(table(store), 0)],
      ["table gone", "STORE_CORRUPT", (store) => rmSync(table(store))],
      ["table overwritten", "STORE_CORRUPT", (store) => scribble(table(store))],
      ["log cut", "STORE_CORRUPT", (store) => cut(log(store), 2)],
      ["log overwritten", "STORE_CORRUPT", (store) => scribble(log(store))],
      ["manifest cut", "STORE_CORRUPT", (store) => cut(manifest(store), 2)],
      ["manifest gone", "STORE_CORRUPT", (store) => rmSync(manifest(store))],
      ["CURRENT wrong", "STORE_CORRUPT", (store) => writeFileSync(`${store}/CURRENT`, "hello")],
      ["CURRENT gone", "NOT_A_STORE", (store) => rmSync(`${store}/CURRENT`)],
    ];
    for (const [what, code, damage] of rows) {
      const store = path.join(dir, what.replace(" ", "-"));
      cpSync(whole, store, { recursive: true });
      damage(store);
      const before = print(store);
      await t.rejects(readAll(store), { code, message: sentenceAbout(store) }, what);
      t.same(print(store), before, `${what}: left as it was`);
    }
    for (const [name, code] of [
      ["absent", "STORE_MISSING"],
      ["file", "NOT_A_STORE"],
      ["folder", "NOT_A_STORE"],
    ] as const) {
      const store = path.join(dir, name);
      await t.rejects(readAll(store), { code, message: sentenceAbout(store) }, name);
    }
  });

  t.test("an abort ends the reading", async (t) => {
    const store = path.join(tempFolder(t), "store");
    await writeLegacyStore(store, manyEntries(2_000));
    const stop = new AbortController();
    await using open = await LegacyStore.open({ folder: store }, stop);
    const reading = async () => {
      for await (const _ of open.batches(stop)) stop.abort(new RangeError("enough"));
    };
    await t.rejects(reading(), RangeError);
  });

  t.test("100,000 entries of 1 KB are read in a heap that could not hold them", async (t) => {
    const store = path.join(tempFolder(t), "store");
    await writeLegacyStore(store, manyEntries(100_000, 1_000));
    const child = fork(import.meta.filename, ["count", store], {
      execArgv: ["--max-old-space-size=80"],
    });
    const messages: unknown[] = [];
    child.on("message", (message) => messages.push(message));
    t.equal((await once(child, "close"))[0], 0);
    t.ok(messages.includes(100_000));
  });
}

async function readAll(store: string) {
  await using open = await LegacyStore.open({ folder: store }, never);
  await open.size(never);
  return await collect(open);
}

async function collect(store: LegacyStore) {
  const models: LegacyModel[] = [];
  const skipped: Skipped[] = [];
  for await (const batch of store.batches(never)) {
    models.push(...batch.models);
    skipped.push(...batch.skipped);
  }
  return { models, skipped };
}

/** What is in a folder, without LevelDB's knowledge. */
function print(folder: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder).map((name) => {
      const file = path.join(folder, name);
      const hash = createHash("sha256").update(readFileSync(file)).digest("hex");
      return [name, `${statSync(file).mtimeMs} ${hash}`];
    }),
  );
}

/** A store with tables and a log that is more than one block long. */
async function writeWithOldLog(store: string): Promise<void> {
  await writeLegacyStore(store, manyEntries(30_000, 200));
  await writeLegacyStore(
    store,
    [...manyEntries(1_000, 200)].map(([key, value]) => [`z${key}`, value]),
  );
}

function cut(file: string, divisor: number): void {
  truncateSync(file, Math.floor(statSync(file).size / divisor) + 3);
}

function scribble(file: string): void {
  const bytes = readFileSync(file);
  bytes.fill(0x55, 100, Math.min(9_000, bytes.length - 1_000));
  writeFileSync(file, bytes);
}

function sentenceAbout(store: string): RegExp {
  return new RegExp(`^[^\\n]*${RegExp.escape(store)}[^\\n]*: [^\\n]+$`);
}

async function holdOpen(): Promise<void> {
  const db = new ClassicLevel(folder);
  await db.open().catch(() => process.exit(1));
  process.once("message", async () => {
    await db.close();
    process.disconnect();
  });
  process.send?.("open");
}

async function countModels(): Promise<void> {
  await using store = await LegacyStore.open({ folder }, never);
  let count = 0;
  await store.size(never);
  for await (const batch of store.batches(never)) count += batch.models.length;
  process.send?.(count);
  process.disconnect();
}
