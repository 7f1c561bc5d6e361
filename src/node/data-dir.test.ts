import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { tempFolder } from "../../test/fixtures/temp-folder.ts";
import { takeDataDir } from "./data-dir.ts";

t.test("taken once, given back, and taken over from a process that has gone", async (t) => {
  const dir = path.join(tempFolder(t), "data");
  {
    await using _lock = await takeDataDir(dir);
    t.ok(existsSync(path.join(dir, "node.pid")));
  }
  t.notOk(existsSync(path.join(dir, "node.pid")));

  const gone = spawnSync("true").pid;
  writeFileSync(path.join(dir, "node.pid"), `${gone} 1\n`);
  await using _again = await takeDataDir(dir);
  t.ok(existsSync(path.join(dir, "node.pid")));
});

t.test("refused while another process holds it", async (t) => {
  const dir = tempFolder(t);
  const holder = `${new URL("./data-dir.ts", import.meta.url)}`;
  const script = `
    const { takeDataDir } = await import(${JSON.stringify(holder)});
    await using lock = await takeDataDir(${JSON.stringify(dir)});
    const { spawnSync } = await import("node:child_process");
    const inner = ${JSON.stringify(`import(${JSON.stringify(holder)}).then(m => m.takeDataDir(${JSON.stringify(dir)})).catch(e => { console.log(e.code); process.exitCode = 3; })`)};
    const result = spawnSync(process.execPath, ["-e", inner], { encoding: "utf8" });
    process.stdout.write(result.stdout);
    process.exitCode = result.status;`;
  const result = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
  });
  t.equal(result.stdout.trim(), "DATA_DIR_IN_USE", result.stderr);
  t.equal(result.status, 3);
});

t.test("a folder that cannot be made is one clear sentence", async (t) => {
  const inFile = path.join(tempFolder(t, { file: "" }), "file", "data");
  for (const dir of [inFile, "/proc/nowhere/data"]) {
    await t.rejects(takeDataDir(dir), {
      code: "DATA_DIR_NOT_WRITABLE",
      message: /OLLAMA_DATA_DIR/,
    });
  }
});
