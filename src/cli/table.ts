import { plain, widthOf } from "./cells.ts";

/** Columns as wide as their widest cell, two spaces apart. The first row is the heading. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map(plain));
  const widths = (cells[0] ?? []).map((_, column) =>
    Math.max(...cells.map((row) => widthOf(row[column] ?? ""))),
  );
  return cells
    .map((row) =>
      row
        .map(
          (cell, column) => cell + " ".repeat(Math.max(0, (widths[column] ?? 0) - widthOf(cell))),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
