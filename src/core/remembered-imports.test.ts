import { symlinkSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import t from "tap";
import { tempFolder } from "../../test/fixtures/temp-folder.ts";
import "./remembered-imports.ts";

/** As code names a module: test/tidy.test.ts shall not take it for an import of this file's. */
const quoted = (specifier: string): string => JSON.stringify(specifier);
const COUNT = `export const count = (globalThis.counted = (globalThis.counted ?? 0) + 1);`;

t.test("each import finds its module, and each module is loaded once", async (t) => {
  const folder = tempFolder(t, {
    "main.mjs": `
      export { count as path } from ${quoted("./parts/one.mjs")};
      export { count as other } from ${quoted("./parts/two.mjs")};
      export { default as outer } from ${quoted("package")};
      export { default as inner } from ${quoted("./parts/three.mjs")};
      export { default as data } from ${quoted("./data.json")} with { type: "json" };
      export { default as old } from ${quoted("./old/index.cjs")};
      export const late = (await import(${quoted("./parts/one.mjs")})).count;
      export const linked = (await import(${quoted("./link/one.mjs")})).count;
      export const fresh = (await import(${quoted("./parts/one.mjs?fresh")})).count;`,
    "data.json": '{ "value": 7 }',
    parts: {
      "one.mjs": COUNT,
      "two.mjs": `export { count } from ${quoted("../parts/one.mjs")};`,
      "three.mjs": `export { default } from ${quoted("package")};`,
      node_modules: { package: { "index.js": 'module.exports = "inner";' } },
    },
    node_modules: { package: { "index.js": 'module.exports = "outer";' } },
    old: {
      "index.cjs": 'module.exports = require("./part") + 1;',
      "part.js": "module.exports = 20;",
    },
  });
  symlinkSync("parts", path.join(folder, "link"));
  t.strictSame(
    { ...(await import(pathToFileURL(path.join(folder, "main.mjs")).href)) },
    {
      ...{ path: 1, other: 1, late: 1, linked: 1, fresh: 2 },
      ...{ outer: "outer", inner: "inner", data: { value: 7 }, old: 21 },
    },
  );
});

t.test("what is not there is told by Node, each time", async (t) => {
  for (const specifier of ["./missing.mjs", "missing"]) {
    const folder = tempFolder(t, { "main.mjs": `import ${quoted(specifier)};` });
    const main = pathToFileURL(path.join(folder, "main.mjs")).href;
    const error = { code: "ERR_MODULE_NOT_FOUND", message: /imported from .*main\.mjs/ };
    await t.rejects(import(main), error);
    await t.rejects(import(`${main}?again`), error);
  }
});
