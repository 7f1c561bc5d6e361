import fc from "fast-check";
import t from "tap";
import { progressLine } from "./progress-line.ts";
import { TransferRate } from "./transfer-rate.ts";

const PULL = {
  label: "pulling 0123456789ab",
  doneBytes: 1.2e9,
  totalBytes: 2.6e9,
  bytesPerSecond: 35e6,
};

t.test("a line for each width", (t) => {
  const rows: readonly (readonly [change: object, cells: number, line: string])[] = [
    [{}, 79, "pulling 0123456789ab  46% ▕████████           ▏ 1.2 GB/2.6 GB   35 MB/s     40s"],
    [{}, 62, "pulling 0123456789ab  46% 1.2 GB/2.6 GB   35 MB/s     40s"],
    [{}, 50, "pulling 0123456789ab  46% 1.2 GB/2.6 GB   35 MB/s"],
    [{}, 45, "pulling 0123456789ab  46% 1.2 GB/2.6 GB"],
    [{}, 30, "pulling 0123456789ab  46%"],
    [{}, 20, "pulling 012345…  46%"],
    [{}, 0, ""],
    [{ bytesPerSecond: undefined }, 45, "pulling 0123456789ab  46% 1.2 GB/2.6 GB"],
    [{ bytesPerSecond: 0 }, 45, "pulling 0123456789ab  46% 1.2 GB/2.6 GB"],
    [{ doneBytes: 2.6e9 }, 50, "pulling 0123456789ab 100% ▕████████▏        2.6 GB"],
    [{ doneBytes: 485, totalBytes: 485 }, 50, "pulling 0123456789ab 100% ▕████████▏         485 B"],
    [{ doneBytes: 0, totalBytes: 0 }, 40, "pulling 0123456789ab 100%           0 B"],
    [{ doneBytes: 3e9 }, 40, "pulling 0123456789ab 100%        2.6 GB"],
    [{ doneBytes: 2.5999e9 }, 45, "pulling 0123456789ab  99% 2.6 GB/2.6 GB"],
    [{ label: "a\x1b[2Jb\nc" }, 40, "a[2Jbc  46% 1.2 GB/2.6 GB   35 MB/s"],
    [{ label: "模型.gguf" }, 12, "模型.g…  46%"],
  ];
  for (const [change, cells, line] of rows) {
    t.equal(progressLine({ ...PULL, ...change }, cells), line, JSON.stringify(change));
  }
  const lefts: readonly (readonly [bytesPerSecond: number, left: string])[] = [
    [1.4e9, "1s"],
    [1.4e9 / 185, "3m5s"],
    [1.4e9 / 3_725, "1h2m"],
    [100, "100 B/s"],
  ];
  for (const [bytesPerSecond, left] of lefts) {
    t.ok(
      progressLine({ ...PULL, bytesPerSecond }, 79)
        .trimEnd()
        .endsWith(` ${left}`),
      left,
    );
  }
  t.end();
});

t.test("the rate of the last seconds", (t) => {
  const rate = new TransferRate();
  t.equal(rate.take(0, 1_000), undefined);
  t.equal(rate.take(100, 2_000), undefined);
  t.equal(rate.take(1_000, 11_000), 10_000);
  t.equal(rate.take(10_000, 101_000), 10_000);
  for (let atMs = 11_000; atMs <= 22_000; atMs += 1_000) rate.take(atMs, 101_000);
  t.equal(rate.take(23_000, 101_000), 0, "what stands still");
  t.equal(rate.take(24_000, 50), 0, "what begins anew");
  t.end();
});

t.test("no line is wider than what there is", (t) => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary", maxLength: 60 }),
      fc.nat(2 ** 40),
      fc.nat(2 ** 40),
      fc.option(fc.nat(2 ** 32), { nil: undefined }),
      fc.integer({ min: 0, max: 300 }),
      (label, doneBytes, totalBytes, bytesPerSecond, cells) => {
        const line = progressLine({ label, doneBytes, totalBytes, bytesPerSecond }, cells);
        return [...line].length <= cells && !/\p{Cc}/u.test(line);
      },
    ),
  );
  t.pass();
  t.end();
});
