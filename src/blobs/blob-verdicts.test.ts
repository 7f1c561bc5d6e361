import { writeFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import t from "tap";
import { tempFolder } from "../../test/fixtures/temp-folder.ts";
import type { BlobDigest } from "../core/digest.ts";
import { formatVerdicts, nextToVerify, readVerdicts, type Verdict } from "./blob-verdicts.ts";

const A = "a".repeat(64) as BlobDigest;
const B = "b".repeat(64) as BlobDigest;
const NOW = 1_000_000;
const INTERVAL = 1_000;
const blobs = [
  { digest: A, version: "1" },
  { digest: B, version: "1" },
];

function verdict(atMs: number, more: Partial<Verdict> = {}): Verdict {
  return { atMs, isSound: true, version: "1", ...more };
}

t.test("which blob is read next", async (t) => {
  const rows: readonly (readonly [
    what: string,
    a: Verdict | null,
    b: Verdict | null,
    next: string,
  ])[] = [
    ["nothing was read", null, null, "a"],
    ["one was", verdict(NOW), null, "b"],
    ["both are fresh", verdict(NOW - 999), verdict(NOW), ""],
    ["one is due", verdict(NOW), verdict(NOW - 1_000), "b"],
    ["the older one of two", verdict(NOW - 2_000), verdict(NOW - 3_000), "b"],
    ["another file", verdict(NOW, { version: "0" }), verdict(NOW - 3_000), "a"],
    ["a damaged one waits", verdict(0, { isSound: false }), verdict(NOW), ""],
    ["for another file", verdict(0, { isSound: false, version: "0" }), verdict(NOW), "a"],
    ["a clock that was set back", verdict(NOW + 5), verdict(NOW), "a"],
  ];
  for (const [what, a, b, next] of rows) {
    const verdicts = new Map<BlobDigest, Verdict>();
    if (a) verdicts.set(A, a);
    if (b) verdicts.set(B, b);
    const found = nextToVerify(blobs, verdicts, NOW, INTERVAL)?.digest.slice(0, 1) ?? "";
    t.equal(found, next, what);
  }
});

t.test("verdicts are kept; a file of anything else holds none", async (t) => {
  const file = path.join(tempFolder(t), "verdicts.json");
  t.same(await readVerdicts(file), new Map());
  const verdicts = new Map([
    [A, verdict(5)],
    [B, verdict(6, { isSound: false })],
  ]);
  writeFileSync(file, formatVerdicts(verdicts));
  t.same(await readVerdicts(file), verdicts);
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.string(), fc.json()), async (text) => {
      writeFileSync(file, text);
      await readVerdicts(file);
    }),
    { numRuns: 50 },
  );
  t.pass("nothing was thrown");
});
