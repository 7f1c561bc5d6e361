import t from "tap";
import { readable, rowsOf, widthOf } from "./cells.ts";
import { formatTable } from "./table.ts";

t.test("how much of a terminal a text takes", (t) => {
  t.equal(widthOf("模型 🦙 a"), 9);
  const rows = [
    ["", 80, 1],
    ["a\n\nb", 80, 3],
    ["x".repeat(80), 80, 1],
    ["x".repeat(81), 80, 2],
    [`${"x".repeat(100)}\nb`, 40, 4],
    ["模".repeat(21), 40, 2],
  ] as const;
  for (const [text, columns, count] of rows) t.equal(rowsOf(text, columns), count, text);
  t.end();
});

t.test("a table's columns, whatever letters are in them", (t) => {
  const rows = [
    ["NAME", "STATE"],
    ["模型", "ready"],
    ["a\x1b[2Jb\n", "-"],
  ];
  t.equal(formatTable(rows), "NAME     STATE\n模型     ready\na [2Jb   -");
  t.end();
});

t.test("a terminal shows control characters and does not obey them", (t) => {
  const rows = [
    ["a\tb\r\nc\r", "a\tb\nc"],
    ["\x1b]0;title\x07\x1b[2J", "␛]0;title␇␛[2J"],
    ["a\rb\x00\x7f\x9b2J", "a␍b␀␡\ufffd2J"],
    ["模型 🦙 \u202e", "模型 🦙 \u202e"],
  ] as const;
  for (const [text, shown] of rows) {
    t.equal(readable(text, { isTTY: true }), shown);
    t.equal(readable(text, {}), text, "a file gets it as it is");
  }
  t.end();
});
