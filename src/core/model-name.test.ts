import fc from "fast-check";
import t from "tap";
import { formatFullName, formatShortName, parseModelName } from "./model-name.ts";

// Rows from Ollama's own name_test.go, by way of its behaviour.
const VALID: readonly [input: string, full: string, short: string][] = [
  ["llama3.2", "registry.ollama.ai/library/llama3.2:latest", "llama3.2:latest"],
  ["llama3.2:1b", "registry.ollama.ai/library/llama3.2:1b", "llama3.2:1b"],
  ["namespace/model", "registry.ollama.ai/namespace/model:latest", "namespace/model:latest"],
  ["host:80/ns/m", "host:80/ns/m:latest", "host:80/ns/m:latest"],
  ["https://host:80/ns/m:t", "host:80/ns/m:t", "host:80/ns/m:t"],
  ["_why/_the/_lucky:_stiff", "_why/_the/_lucky:_stiff", "_why/_the/_lucky:_stiff"],
  ["apple/OpenELM", "registry.ollama.ai/apple/OpenELM:latest", "apple/OpenELM:latest"],
];
const INVALID = [
  "",
  "^",
  "mm:",
  "/nn/mm",
  "//",
  "hh//",
  "-hh/nn/mm:tt",
  "hh/nn/-mm:tt",
  "host/name:space/model:tag",
  "host/name.space/model",
  "@t",
  "m@d",
  "a/b/c/d",
  "..",
  "../x",
  "x/../y",
  `${"m".repeat(81)}`,
];

t.test("valid names", (t) => {
  for (const [input, full, short] of VALID) {
    const name = parseModelName(input);
    t.ok(name, input);
    if (!name) continue;
    t.equal(formatFullName(name), full, input);
    t.equal(formatShortName(name), short, input);
  }
  t.end();
});

t.test("invalid names", (t) => {
  for (const input of INVALID) t.equal(parseModelName(input), undefined, JSON.stringify(input));
  t.end();
});

t.test("what parses formats to what parses the same, and never leaves its folder", (t) => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme-ascii", maxLength: 60 }), (text) => {
      const name = parseModelName(text);
      if (!name) return;
      for (const part of Object.values(name)) {
        if (part === "." || part === ".." || part.includes("/")) throw new Error(text);
      }
      const again = parseModelName(formatFullName(name));
      if (!again || formatFullName(again) !== formatFullName(name)) throw new Error(text);
    }),
  );
  t.pass("holds");
  t.end();
});
