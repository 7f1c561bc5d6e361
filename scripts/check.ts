// npm run check: format and lint, types, and that src/gen is what proto/ generates. Exit code 1 when one of them fails.
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

interface Check {
  readonly name: string;
  /** What is wrong; empty when nothing is. */
  readonly run: () => string;
}

export const CHECKS: readonly Check[] = [
  { name: "format and lint", run: () => output("biome", ["check", "--error-on-warnings", "."]) },
  { name: "types", run: () => output("tsc", ["-p", "."]) },
  { name: "generated code", run: generatedDifference },
  {
    name: "README's variables",
    run: () => output("node", ["scripts/readme-variables.ts", "--check"]),
  },
];

/** The command's output when it fails, else nothing. */
function output(command: string, args: readonly string[], cwd = "."): string {
  const result = spawnSync(command, args, { cwd, encoding: "utf8" });
  if (result.status === 0) return "";
  return result.error?.message ?? `${result.stdout}${result.stderr}`.trim();
}

/** Generates into a temporary copy of the tree's proto/ and compares it with src/gen, byte for byte. */
function generatedDifference(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "ollamamax-generate-"));
  try {
    cpSync("proto", path.join(folder, "proto"), { recursive: true });
    const problem = output("buf", ["generate"], path.join(folder, "proto"));
    if (problem !== "") return problem;
    const fresh = contentsOf(path.join(folder, "src", "gen"));
    const committed = contentsOf(path.join("src", "gen"));
    const names = new Set([...fresh.keys(), ...committed.keys()]);
    const different = [...names].filter((name) => fresh.get(name) !== committed.get(name));
    return different.length === 0
      ? ""
      : `src/gen differs from proto/ (run npm run generate): ${different.join(", ")}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function contentsOf(folder: string): Map<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return new Map(
    files
      .filter((file) => file.endsWith(".ts"))
      .map((file) => [file, readFileSync(path.join(folder, file), "utf8")]),
  );
}

if (import.meta.main) {
  for (const { name, run } of CHECKS) {
    const problem = run();
    console.log(`${problem === "" ? "ok" : "FAILED"}  ${name}`);
    if (problem === "") continue;
    console.error(problem);
    process.exitCode = 1;
  }
}
