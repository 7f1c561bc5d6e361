// npm test: the checks, then every test file under tap; ends with "N passed, N failed" alone on a line.
// Arguments are handed to tap in place of all files: npm test -- src/core/core.test.ts
import { spawn } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";
import { CHECKS } from "./check.ts";

/** The same as src/main.ts uses: each file is a process that loads what the others do. */
const NODE_COMPILE_CACHE = path.join(import.meta.dirname, "../node_modules/.cache/compiled");
const count = { passed: 0, failed: 0, skipped: 0 };

/** Tells each file as it ends, and of a failure all that TAP says. */
async function runTap(args: readonly string[]): Promise<number> {
  const tap = spawn("tap", args, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, NODE_COMPILE_CACHE },
  });
  const exited = new Promise<number>((resolve, reject) => {
    tap.on("error", reject);
    tap.on("exit", (code) => resolve(code ?? 1));
  });
  const report = new Report();
  for await (const line of createInterface({ input: tap.stdout })) report.take(line);
  return await exited;
}

/** Reads TAP 14 line by line: subtests are indented, and each is summed up by a line of its parent's. */
class Report {
  #deepest = 0;
  #telling = false;

  take(line: string): void {
    const [, indent = "", not, rest = ""] = /^( *)(not )?ok \d+(.*)$/.exec(line) ?? [];
    if (rest === "" && !line.trim().startsWith("ok")) {
      this.#tellDiagnosis(line);
      return;
    }
    const sumsUp = indent.length < this.#deepest;
    this.#deepest = indent.length;
    const isSkipped = /# (SKIP|TODO)\b/i.test(rest);
    if (isSkipped) count.skipped++;
    else if (!sumsUp) {
      if (not) count.failed++;
      else count.passed++;
    }
    this.#telling = Boolean(not) && !isSkipped;
    if (indent === "" || this.#telling) console.log(`${not ? "FAILED" : "ok    "}${indent}${rest}`);
  }

  #tellDiagnosis(line: string): void {
    if (this.#telling) console.log(line);
    if (line.trim() === "...") this.#telling = false;
  }
}

const files = process.argv.slice(2);

if (files.length === 0) {
  for (const { name, run } of CHECKS) {
    const problem = run();
    if (problem === "") count.passed++;
    else count.failed++;
    console.log(problem === "" ? `ok     ${name}` : `FAILED ${name}\n${problem}`);
  }
}

const exitCode = await runTap(["run", "--reporter=tap", ...files]);
if (exitCode !== 0 && count.failed === 0) count.failed++;
if (count.skipped > 0) console.log(`\n${count.skipped} skipped`);
console.log(`\n${count.passed} passed, ${count.failed} failed`);
process.exitCode = count.failed === 0 ? 0 : 1;
