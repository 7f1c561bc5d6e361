// npm test: the checks, then every test file; ends with "N passed, N failed" alone on a line.
// Arguments are files to run in place of all: npm test -- src/core/core.test.ts
//
// A file of tap's is a program that prints TAP, and runs as such here. tap's own runner loads its hooks for coverage and mocks
// into it and into each node and runner that it starts, also where none is asked for: that doubled what those took to load.
import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  globSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statfsSync,
} from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { NODE_ARGUMENTS } from "../src/core/node-arguments.ts";
import { CHECKS } from "./check.ts";
import { TapReport } from "./test/tap-report.ts";

/** The same as src/main.ts uses: each file is a process that loads what the others do. */
const NODE_COMPILE_CACHE = path.join(import.meta.dirname, "../node_modules/.cache/compiled");
/** Linux's file system in memory. */
const MEMORY = "/dev/shm";
const MEMORY_BYTES_MIN = 8 * 1_024 ** 3;
/** As a node does: much of what a file takes is loading. */
const IMPORTS = ["test/exit-on-signal.ts", "../src/core/remembered-imports.ts"];
/** Loading the library takes longer than most files do. */
const RANDOM = { library: "fast-check", imports: ["test/seed-of-run.ts"] };
const JOBS = 2;
const FILE_TIMEOUT_S = 600;
/** What a file has for telling why it was late. */
const LATE_S = 10;

const total = { passed: 0, failed: 0, skipped: 0 };
const running = new Set<ChildProcess>();
let interrupted = false;

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

/** Those that start clusters take longest and begin, with the simulations: what runs alone at the end should be short. */
function testFiles(): string[] {
  const folders = ["test/e2e", "test/sim", "test/clients", "test/contracts"];
  const long = folders.flatMap((folder) => globSync(`${folder}/**/*.test.ts`).sort());
  const all = globSync(["src/**/*.test.ts", "test/**/*.test.ts"]).sort();
  return [...new Set([...long, ...all])];
}

/** Simulations make more garbage than anything else: with room for it they take half as long. */
const SIMULATION_ARGUMENTS = ["--max-semi-space-size=64"];

/** Tells when the file has ended, with all that TAP says of its failures. */
async function runFile(file: string, env: Readonly<Record<string, string>>): Promise<void> {
  const startedMs = performance.now();
  const nodeArguments = file.startsWith("test/sim/") ? SIMULATION_ARGUMENTS : NODE_ARGUMENTS;
  const isRandom = readFileSync(file, "utf8").includes(RANDOM.library);
  const imports = [...IMPORTS, ...(isRandom ? RANDOM.imports : [])].flatMap((each) => [
    "--import",
    path.join(import.meta.dirname, each),
  ]);
  const child = spawn(process.execPath, [...nodeArguments, ...imports, file], {
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      ...process.env,
      NODE_COMPILE_CACHE,
      TAP: "1",
      TAP_TIMEOUT: String(FILE_TIMEOUT_S),
      ...env,
    },
  });
  running.add(child);
  const ended = new Promise<string>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(code === 0 ? "" : `ended by ${signal ?? code}`));
  });
  const late = setTimeout(() => child.kill("SIGKILL"), (FILE_TIMEOUT_S + LATE_S) * 1_000);
  const report = new TapReport();
  for await (const line of createInterface({ input: child.stdout })) report.take(line);
  const problem = await ended;
  clearTimeout(late);
  running.delete(child);

  const { passed, failed, skipped } = report.counts;
  const isFailed = failed > 0 || problem !== "" || passed + skipped === 0;
  total.passed += passed;
  total.skipped += skipped;
  total.failed += isFailed ? Math.max(failed, 1) : 0;
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
  const outcome = isFailed ? "FAILED" : "ok    ";
  console.log(`${outcome} ${file} (${passed} in ${seconds} s)${problem && `: ${problem}`}`);
  for (const line of report.failures) console.log(line);
}

async function runFiles(files: readonly string[]): Promise<void> {
  using folder = temporaryFolder();
  const queue = files.values();
  const work = async (): Promise<void> => {
    for (const file of queue) {
      if (interrupted) return;
      await runFile(file, folder.env);
    }
  };
  await Promise.all(Array.from({ length: JOBS }, work));
}

for (const [signal, number] of [
  ["SIGINT", 2],
  ["SIGTERM", 15],
] as const) {
  process.once(signal, () => {
    interrupted = true;
    process.exitCode = 128 + number;
    for (const child of running) child.kill(signal);
  });
}

const files = process.argv.slice(2);
if (files.length === 0) {
  for (const { name, run } of CHECKS) {
    const problem = run();
    if (problem === "") total.passed++;
    else total.failed++;
    console.log(problem === "" ? `ok     ${name}` : `FAILED ${name}\n${problem}`);
  }
}
await runFiles(files.length > 0 ? files : testFiles());
if (total.skipped > 0) console.log(`\n${total.skipped} skipped`);
console.log(`\n${total.passed} passed, ${total.failed} failed`);
process.exitCode ??= total.failed === 0 ? 0 : 1;
