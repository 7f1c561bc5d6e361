import type { Page, PageRequest } from "../../core/catalog.ts";
import { type CursorSpec, decodeCursor, encodeCursor } from "./cursor.ts";
import { checkLimit } from "./filters.ts";

/** The sort key that the page starts after; undefined: with the first row. */
export function startOf(spec: CursorSpec, page: PageRequest): readonly string[] | undefined {
  checkLimit(page.limit);
  return page.cursor === undefined ? undefined : decodeCursor(spec, page.cursor);
}

export const EMPTY_PAGE: Page<never> = { items: [], next: undefined };

/** Of up to one row more than fits: that there is one says that there is another page. */
export function pageOf<Row, Item>(
  spec: CursorSpec,
  page: PageRequest,
  rows: readonly Row[],
  parts: {
    readonly key: (row: Row) => readonly string[];
    readonly item: (row: Row) => Item;
  },
): Page<Item> {
  const shown = rows.slice(0, page.limit);
  const last = shown.at(-1);
  const isLast = rows.length <= page.limit || last === undefined;
  return {
    items: shown.map(parts.item),
    next: isLast ? undefined : encodeCursor(spec, parts.key(last)),
  };
}

/** ISO 8601; null also of Postgres's "infinity", which is no time that people can read. */
export function isoTime(time: Date | null): string | null {
  return time === null || Number.isNaN(time.getTime()) ? null : time.toISOString();
}
