import type { Cursor, Parse } from "./cursor.ts";
import type { Tools } from "./tools.ts";

/**
 * How a family of models writes calls into its text. `calls` begins with the mark held, gives the calls out as they become
 * whole, and tells whether there was one; what it leaves held is text.
 */
export interface CallFamily {
  readonly marks: readonly string[];
  readonly calls: (cursor: Cursor, tools: Tools, mark: string) => Parse<boolean>;
  /** Calls that begin the answer without a mark. */
  readonly bare?: (cursor: Cursor, tools: Tools) => Parse<boolean>;
  /** Marks around what is said, which are no part of it, whether there are tools or not. */
  readonly silent?: readonly string[];
}

/** What a model may write as a tool's name where nothing marks its end. */
export const NAME = /^[\w.:-]+/;
