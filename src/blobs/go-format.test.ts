import t from "tap";
import { goPlain, goQuote, goSyntax } from "./go-format.ts";
import { humanBytes, humanNumber } from "./human-number.ts";

t.test("counts of parameters, as Ollama writes them", (t) => {
  const rows: readonly [number, string][] = [
    [0, "0"],
    [999, "999"],
    [1_000, "1K"],
    [984_192, "984K"],
    [22_565_376, "22.57M"],
    [125_000_000, "125M"],
    [500_500_000, "500.50M"],
    [1_000_000_000, "1B"],
    [3_212_749_888, "3.2B"],
    [8_030_261_248, "8.0B"],
    [671_026_419_200, "671.0B"],
  ];
  for (const [count, text] of rows) t.equal(humanNumber(count), text);
  t.end();
});

t.test("bytes", (t) => {
  t.equal(humanBytes(0), "0 B");
  t.equal(humanBytes(1_023), "1023 B");
  t.equal(humanBytes(1_996_581), "1.9 MiB");
  t.equal(humanBytes(2 ** 50), "1024.0 TiB");
  t.end();
});

t.test("values as Go prints them", (t) => {
  const rows: readonly [unknown, string][] = [
    ["<|eot_id|>", '"<|eot_id|>"'],
    ['a "b"\n\t\\', '"a \\"b\\"\\n\\t\\\\"'],
    ["\u0000\u001b\u007f\u200b", '"\\x00\\x1b\\x7f\\u200b"'],
    ["é 日本 🙂", '"é 日本 🙂"'],
    [true, "true"],
    [null, "<nil>"],
    [0, "0"],
    [1, "1"],
    [0.7, "0.7"],
    [-1, "-1"],
    [0.0001, "0.0001"],
    [0.00001, "1e-05"],
    [131_072, "131072"],
    [1_048_576, "1.048576e+06"],
  ];
  for (const [value, text] of rows) t.equal(goSyntax(value), text, text);
  t.equal(goPlain("plain"), "plain");
  t.equal(goQuote(""), '""');
  t.end();
});
