import { CatalogError, FILTER_LENGTH_MAX, PAGE_ITEMS_MAX } from "../../core/catalog.ts";
import { NAME_DEFAULTS } from "../../core/model-name.ts";
import { storable } from "../storable.ts";

/**
 * Refuses what is longer than anything that is looked for. False: no row can hold such a text (Postgres stores neither NUL nor
 * half a surrogate pair), so that nobody needs to be asked.
 */
export function canMatch(texts: readonly (string | undefined)[]): boolean {
  for (const text of texts) {
    if (text !== undefined && text.length > FILTER_LENGTH_MAX) {
      throw new CatalogError(
        "FILTER_INVALID",
        `a filter may have ${FILTER_LENGTH_MAX} characters at most`,
      );
    }
  }
  return texts.every((text) => text === undefined || storable(text) === text);
}

export function checkLimit(limit: number): void {
  if (Number.isInteger(limit) && limit >= 1 && limit <= PAGE_ITEMS_MAX) return;
  throw new CatalogError("FILTER_INVALID", `limit must be from 1 to ${PAGE_ITEMS_MAX}`);
}

/** A pattern with `*` as one for LIKE; compare it with `lower(… collate "C")`. */
export function likePattern(pattern: string): string {
  return asciiLower(pattern)
    .replace(/[\\%_]/g, "\\$&")
    .replaceAll("*", "%");
}

/** A model's name is stored with all its parts, and people leave out the usual host and namespace, and the tag to mean any. */
export function modelPatterns(pattern: string): readonly string[] {
  const { host, namespace } = NAME_DEFAULTS;
  const like = likePattern(pattern);
  const tagged = pattern.lastIndexOf(":") > pattern.lastIndexOf("/") ? [like] : [like, `${like}:%`];
  return tagged.flatMap((text) => [text, `${host}/${text}`, `${host}/${namespace}/${text}`]);
}

/** For to_tsquery: each word begins one of the row's. Words have no ASCII punctuation, so no operator can be among them. */
export function prefixQuery(search: string): string {
  return wordsOf(search)
    .map((word) => `'${word}':*`)
    .join(" & ");
}

/** As the migration's model_words splits; what is a letter beyond ASCII is the database's to know. */
export function wordsOf(text: string): readonly string[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters part words too
  return text.split(/[\x00-\x2f:-@[-`{-\x7f]+/).filter((word) => word !== "");
}

function asciiLower(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
