import t from "tap";
import { rowsOf, widthOf } from "./cells.ts";
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
