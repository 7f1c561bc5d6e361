/** Text as Postgres takes it: no NUL, no half surrogate pairs, at most as many characters as the column holds. */
export function storable(text: string, lengthMax: number = Number.POSITIVE_INFINITY): string {
  const clean = text.replaceAll("\0", "").toWellFormed();
  return clean.length <= lengthMax ? clean : Array.from(clean).slice(0, lengthMax).join("");
}

/** The same for every string in a value that goes to a jsonb column; cast the parameter as `::text::jsonb`. */
export function storableJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === "string" ? storable(part) : part,
  );
}
