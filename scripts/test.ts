// npm test: the checks, then every test file under tap; ends with "N passed, N failed" alone on a line.
// Arguments are handed to tap in place of all files: npm test -- src/core/core.test.ts
import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { CHECKS } from "./check.ts";

/** The same as src/main.ts uses: each file is a process that loads what the others do. */
const NODE_COMPILE_CACHE = path.join(import.meta.dirname, "../node_modules/.cache/compiled");
/** Linux's file system in memory. */
const MEMORY = "/dev/shm";
const MEMORY_BYTES_MIN = 8 * 1_024 ** 3;

const count = { passed: 0, failed: 0, skipped: 0 };

/** Tells each file as it ends, and of a failure all that TAP says. */
async function runTap(args: readonly string[]): Promise<number> {
  using folder = temporaryFolder();
  const tap = spawn("tap", args, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, NODE_COMPILE_CACHE, ...folder.env },
  });
  const exited = new Promise<number>((resolve, reject) => {
    tap.on("error", reject);
    tap.on("exit", (code) => resolve(code ?? 1));
  });
  const report = new Report();
  for await (const line of createInterface({ input: tap.stdout })) report.take(line);
  return await exited;
}

/**
 * In memory where there is much of it: dozens of databases and clusters write what nobody keeps, and a slow disk would decide
 * how long they take. Elsewhere the system's own.
 */
function temporaryFolder(): Disposable & { readonly env: Readonly<Record<string, string>> } {
  const nothing = { env: {}, [Symbol.dispose]: () => {} };
  if (process.env["TMPDIR"] !== undefined || !existsSync(MEMORY)) return nothing;
  const { bavail, bsize } = statfsSync(MEMORY);
  if (Math.min(bavail * bsize, process.availableMemory()) < MEMORY_BYTES_MIN) return nothing;
  const folder = mkdtempSync(path.join(MEMORY, "ollamamax-tests-"));
  chmodSync(folder, 0o755); // Postgres's unprivileged user must be able to enter it
  return {
    env: { TMPDIR: folder },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
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
