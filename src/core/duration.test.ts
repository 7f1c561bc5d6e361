import t from "tap";
import { parseGoDuration, parseKeepAlive } from "./duration.ts";

t.test("Go durations", (t) => {
  const rows: readonly [string, number][] = [
    ["5m", 300_000],
    ["1h30m", 5_400_000],
    ["300ms", 300],
    ["0", 0],
    ["-1s", -1_000],
    ["1.5s", 1_500],
    ["+2s", 2_000],
    [".5s", 500],
    ["1\u00b5s", 0.001],
    ["1\u03bcs", 0.001],
    ["1h0.5m", 3_630_000],
  ];
  for (const [text, ms] of rows) t.equal(parseGoDuration(text), ms, text);
  t.end();
});

t.test("Go's error texts", (t) => {
  const rows: readonly [string, string][] = [
    ["300", 'time: missing unit in duration "300"'],
    ["", 'time: invalid duration ""'],
    ["abc", 'time: invalid duration "abc"'],
    ["5x", 'time: unknown unit "x" in duration "5x"'],
    ["5m!", 'time: unknown unit "m!" in duration "5m!"'],
    ["5 m", 'time: unknown unit " m" in duration "5 m"'],
    ["1h30", 'time: missing unit in duration "1h30"'],
    ["1.2.3", 'time: missing unit in duration "1.2.3"'],
    [".", 'time: invalid duration "."'],
    ["-", 'time: invalid duration "-"'],
    ["5m.s", 'time: invalid duration "5m.s"'],
  ];
  for (const [text, message] of rows) t.throws(() => parseGoDuration(text), { message }, text);
  t.end();
});

t.test("keep_alive", (t) => {
  t.equal(parseKeepAlive(30), 30_000);
  t.equal(parseKeepAlive(-1), Number.POSITIVE_INFINITY);
  t.equal(parseKeepAlive("-5m"), Number.POSITIVE_INFINITY);
  t.equal(parseKeepAlive(0), 0);
  t.end();
});
