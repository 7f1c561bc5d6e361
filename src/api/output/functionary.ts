import { NAME } from "./call-family.ts";
import { namedCall } from "./call-of.ts";
import type { Cursor, Parse } from "./cursor.ts";
import { given } from "./listed-calls.ts";
import type { Tools } from "./tools.ts";

const MARK = ">>>";
/** The recipient of what is said. */
const ALL = "all";

/**
 * Functionary 3.2: an answer is messages, each with its recipient on a line of its own, `>>>all` for a text and `>>>name` for
 * a call's arguments. The prompt ends with the first mark.
 */
export function* parseFunctionary(cursor: Cursor, tools: Tools): Parse<void> {
  do {
    if (!(yield* message(cursor, tools))) yield* cursor.give("content");
  } while (yield* cursor.textUntil([MARK], "content", { withSpaces: true }));
}

/** After its mark, which is text, too, where no recipient follows: Python's prompt looks the same. */
function* message(cursor: Cursor, tools: Tools): Parse<boolean> {
  const recipient = yield* cursor.run(NAME);
  if (!(yield* cursor.word("\n"))) return false;
  if (recipient === ALL) {
    cursor.drop();
    return true;
  }
  if (!tools.has(recipient)) return false;
  return yield* given(cursor, namedCall(recipient, yield* cursor.value()));
}
