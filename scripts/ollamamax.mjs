#!/usr/bin/env node
// The `ollamamax` command: starts src/main.ts on the Node 24 that the package brings, whatever Node runs this file.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bundled = join(root, "node_modules", ".bin", "node");
if (!existsSync(bundled)) {
  process.stderr.write(`Nothing is installed yet. Run "npm ci" in ${root} first.\n`);
  process.exit(1);
}
// The same as src/core/node-arguments.ts, which this file cannot read before it has Node 24.
const nodeArguments = ["--max-semi-space-size=4"];
const main = join(root, "src", "main.ts");
// The same as src/main.ts uses. Given to it, it need not be stripped of its own types before it can say so.
const compiled = join(root, "node_modules", ".cache", "compiled");
const child = spawn(bundled, [...nodeArguments, main, ...process.argv.slice(2)], {
  stdio: "inherit",
  env: { NODE_COMPILE_CACHE: compiled, ...process.env },
});
// The terminal sends Ctrl-C to both; other signals come to this process alone and are handed on.
process.on("SIGINT", () => {});
for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => {
  process.exitCode = code ?? (signal === "SIGINT" ? 130 : 1);
});
