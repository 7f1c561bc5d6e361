// Writes README's table of variables from the one place that defines them. With --check it only tells whether it is current.
import { readFileSync, writeFileSync } from "node:fs";
import { VARIABLES, type Variable } from "../src/node/config/variables.ts";

const START = "<!-- variables: made by scripts/readme-variables.ts -->";
const END = "<!-- /variables -->";

/** README.md as it should be. */
export function readmeWithVariables(readme: string): string {
  const before = readme.slice(0, readme.indexOf(START) + START.length);
  const after = readme.slice(readme.indexOf(END));
  return `${before}\n${variablesTable()}\n${after}`;
}

function variablesTable(): string {
  const rows = Object.entries<Variable<unknown>>(VARIABLES).map(([name, spec]) => {
    const fallback = spec.shown ?? spec.fallback ?? "";
    return `| ${name} | ${fallback === "" ? "-" : fallback} | ${spec.meaning} |`;
  });
  return ["| variable | default | meaning |", "|---|---|---|", ...rows].join("\n");
}

if (import.meta.main) {
  const readme = readFileSync("README.md", "utf8");
  const wanted = readmeWithVariables(readme);
  if (!process.argv.includes("--check")) writeFileSync("README.md", wanted);
  else if (wanted !== readme) {
    console.error(
      "README.md's table of variables is not current: node scripts/readme-variables.ts",
    );
    process.exitCode = 1;
  }
}
