import fc from "fast-check";
import t from "tap";
import { rangeOf } from "./byte-range.ts";

t.test("what a header asks of 100 bytes", async (t) => {
  const rows: readonly (readonly [header: string | undefined, wanted: unknown])[] = [
    [undefined, undefined],
    ["", undefined],
    ["bytes=", undefined],
    ["bytes=-", undefined],
    ["bytes=0-", { start: 0, end: 100 }],
    ["bytes=0-0", { start: 0, end: 1 }],
    ["Bytes=10-19", { start: 10, end: 20 }],
    ["bytes=90-1000", { start: 90, end: 100 }],
    ["bytes=99-", { start: 99, end: 100 }],
    ["bytes=100-", "none"],
    ["bytes=-10", { start: 90, end: 100 }],
    ["bytes=-1000", { start: 0, end: 100 }],
    ["bytes=-0", "none"],
    ["bytes=20-10", undefined],
    ["bytes=0-1,5-6", undefined],
    ["items=0-1", undefined],
    ["bytes=-5-6", undefined],
    [`bytes=${"9".repeat(40)}-`, undefined],
  ];
  for (const [header, wanted] of rows) t.same(rangeOf(header, 100), wanted, `${header}`);
});

t.test("whatever it asks, the range lies within", async (t) => {
  fc.assert(
    fc.property(fc.string(), fc.nat(), fc.nat(), fc.nat(1_000), (text, a, b, sizeBytes) => {
      for (const header of [text, `bytes=${a}-${b}`, `bytes=${a}-`, `bytes=-${b}`]) {
        const range = rangeOf(header, sizeBytes);
        if (range === undefined || range === "none") continue;
        if (range.start < 0 || range.start >= range.end || range.end > sizeBytes) return false;
      }
      return true;
    }),
  );
  t.pass("no header led outside");
});
