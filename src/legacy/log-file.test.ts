import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { manyEntries, writeLegacyStore } from "../../test/fixtures/legacy-store.ts";
import { tempFolder } from "../../test/fixtures/temp-folder.ts";
import { endsTorn } from "./log-file.ts";

const record = (type: number, length: number): Buffer => {
  const bytes = Buffer.alloc(7 + length, 1);
  bytes.writeUInt16LE(length, 4);
  bytes.writeUInt8(type, 6);
  return bytes;
};
const [FULL, FIRST, LAST] = [1, 2, 4];

t.test("logs that are whole, and logs that are torn", (t) => {
  const rows: readonly [string, Buffer, boolean][] = [
    ["empty", Buffer.alloc(0), false],
    ["one record", record(FULL, 100), false],
    ["an empty record", record(FULL, 0), false],
    ["half a header", record(FULL, 100).subarray(0, 5), true],
    ["a header alone", record(FULL, 100).subarray(0, 7), true],
    ["a byte less", record(FULL, 100).subarray(0, 106), true],
    ["the first half of an entry", record(FIRST, 100), true],
    ["both halves", Buffer.concat([record(FIRST, 100), record(LAST, 100)]), false],
    ["reserved space", Buffer.concat([record(FULL, 9), Buffer.alloc(40_000)]), false],
    [
      "a block filled but for what holds no header",
      Buffer.concat([record(FULL, 32_768 - 7 - 3), Buffer.alloc(3), record(FULL, 1)]),
      false,
    ],
  ];
  for (const [what, log, torn] of rows) t.equal(endsTorn(log), torn, what);
  t.end();
});

t.test("a log that LevelDB wrote, cut at each of its last bytes", async (t) => {
  const store = path.join(tempFolder(t), "store");
  await writeLegacyStore(store, manyEntries(200));
  const name = readdirSync(store).find((file) => file.endsWith(".log")) ?? "";
  const log = readFileSync(path.join(store, name));
  t.ok(log.byteLength > 32_768);
  t.notOk(endsTorn(log));
  const torn = Array.from({ length: 2_000 }, (_, cut) => endsTorn(log.subarray(0, -1 - cut)));
  t.ok(torn.every(Boolean), "one entry is all of it");
});
