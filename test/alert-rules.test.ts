import { execFileSync, spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import t from "tap";

const FOLDER = "deploy/prometheus";
const RULES = `${FOLDER}/rules.yml`;

t.test("the rules ask for metrics that there are", (t) => {
  const code = globSync("src/**/*.ts", { exclude: (path) => path.endsWith(".test.ts") })
    .map((file) => readFileSync(file, "utf8"))
    .join("\n");
  const known = new Set([...code.matchAll(/name: "(ollamamax_\w+)"/g)].map(([, name]) => name));
  const asked = [...readFileSync(RULES, "utf8").matchAll(/\bollamamax_\w+/g)].map(([name]) =>
    name.replace(/_(bucket|sum|count)$/, ""),
  );
  t.ok(asked.length > 5);
  t.same(
    asked.filter((name) => !known.has(name)),
    [],
  );
  t.end();
});

const hasPromtool = spawnSync("promtool", ["--version"]).status === 0;

t.test(
  "the rules raise what they should, and nothing else",
  { skip: hasPromtool ? false : "promtool is not here (Debian's package prometheus)" },
  (t) => {
    const promtool = (...args: string[]) => execFileSync("promtool", args, { cwd: FOLDER });
    t.match(promtool("check", "rules", "rules.yml").toString(), /SUCCESS/);
    t.match(promtool("test", "rules", "rules.test.yml").toString(), /SUCCESS/);
    t.end();
  },
);
