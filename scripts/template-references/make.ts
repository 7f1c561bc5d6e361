// Writes what Go and Python make of real models' templates, as digests, for src/core/real-templates.test.ts. Takes Go, and Python
// with Jinja2 (on Debian: golang-go, python3-jinja2): node scripts/template-references/make.ts
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import {
  REFERENCES,
  REFUSED,
  realTemplates,
  referenceDigest,
} from "../../test/fixtures/real-templates.ts";
import { goCases, jinjaCases, type TemplateCase } from "../../test/fixtures/template-cases.ts";

const HERE = import.meta.dirname;
const OUTPUT_BYTES_MAX = 1_024 ** 3;

function rendered(command: string, args: readonly string[], cases: readonly TemplateCase[]) {
  const output = execFileSync(command, args, {
    ...{ cwd: HERE, input: JSON.stringify(cases), encoding: "utf8" },
    maxBuffer: OUTPUT_BYTES_MAX,
  });
  const texts: readonly (string | null)[] = JSON.parse(output);
  return texts.map((text) => (text === null ? REFUSED : referenceDigest(text)));
}

const templates = await realTemplates();
const go = rendered(
  "go",
  ["run", "main.go"],
  templates.flatMap((of) => goCases(of.ollama.template)),
);
const jinja = rendered(
  "python3",
  ["render.py"],
  templates.flatMap((of) => jinjaCases(of.gguf)),
);
const goCount = goCases("").length;
const jinjaCount = jinjaCases("").length;
const lines = templates.map(({ model }, at) => {
  const ofGo = go.slice(at * goCount, (at + 1) * goCount);
  return [model, ...ofGo, ...jinja.slice(at * jinjaCount, (at + 1) * jinjaCount)].join(" ");
});
writeFileSync(REFERENCES, `${lines.join("\n")}\n`);
