// npm test: the checks, then every test file under tap; ends with "N passed, N failed" alone on a line.
// Arguments are handed to tap in place of all files: npm test -- src/core/core.test.ts
import { spawn } from "node:child_process";
import { createReadStream, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { CHECKS } from "./check.ts";

interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

const files = process.argv.slice(2);
const count: Count = { passed: 0, failed: 0, skipped: 0 };

if (files.length === 0) {
  for (const { name, run } of CHECKS) {
    const problem = run();
    if (problem === "") count.passed++;
    else count.failed++;
    console.log(problem === "" ? `ok  ${name}` : `FAILED  ${name}\n${problem}`);
  }
}

const folder = mkdtempSync(path.join(tmpdir(), "ollamamax-test-"));
const tapFile = path.join(folder, "results.tap");
const exitCode = await runTap(["run", "--reporter=terse", `--output-file=${tapFile}`, ...files]);
await addResults(tapFile, count);
rmSync(folder, { recursive: true });

if (exitCode !== 0 && count.failed === 0) count.failed++;
const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : "";
console.log(`\n${count.passed} passed, ${count.failed} failed${skipped}`);
process.exitCode = count.failed === 0 ? 0 : 1;

function runTap(args: readonly string[]): Promise<number> {
  const tap = spawn("tap", args, { stdio: "inherit" });
  return new Promise((resolve, reject) => {
    tap.on("error", reject);
    tap.on("exit", (code) => resolve(code ?? 1));
  });
}

/** Counts the assertions of every level but the lines that only sum up a subtest or a file. */
async function addResults(file: string, count: Count): Promise<void> {
  const lines = createInterface({ input: createReadStream(file) });
  let deepest = 0;
  for await (const line of lines) {
    const [, indent = "", not, rest = ""] = /^( *)(not )?ok\b(.*)$/.exec(line) ?? [];
    if (rest === "") continue;
    const sumsUp = indent.length < deepest;
    deepest = indent.length;
    if (/# (SKIP|TODO)\b/i.test(rest)) count.skipped++;
    else if (not) count.failed += sumsUp ? 0 : 1;
    else count.passed += sumsUp ? 0 : 1;
  }
}
