import type { ToolCall } from "../../core/inference.ts";
import type { CallFamily } from "./call-family.ts";
import { callOf } from "./call-of.ts";
import type { Cursor, Parse } from "./cursor.ts";

/** A family whose calls are a list of JSON objects, or some of them, between marks; the closing ones are often missing. */
export function listed(
  open: readonly string[],
  close: readonly string[],
  read = callOf,
): CallFamily {
  return {
    marks: open,
    *calls(cursor) {
      yield* cursor.spaces();
      return yield* closed(
        cursor,
        callList(cursor, () => oneCall(cursor, read)),
        close,
      );
    },
  };
}

/** Calls that `one` reads, in a list's brackets or without them. */
export function* callList(
  cursor: Cursor,
  one: (isListed: boolean) => Parse<boolean>,
): Parse<boolean> {
  const isListed = yield* cursor.word("[");
  for (let count = 0; ; count++) {
    yield* cursor.spaces();
    if (isListed && count > 0 && (yield* cursor.word("]"))) {
      cursor.drop();
      return true;
    }
    if (!(yield* one(isListed))) return count > 0;
    yield* cursor.run(/^[\s,;]+/);
  }
}

/** Drops the mark that ends the calls, if it comes. */
export function* closed(
  cursor: Cursor,
  calls: Parse<boolean>,
  marks: readonly string[],
): Parse<boolean> {
  if (!(yield* calls)) return false;
  yield* cursor.spaces();
  if (cursor.held.trim() === "" && (yield* cursor.oneOf(marks))) cursor.drop();
  return true;
}

/** The call that a JSON object is. */
export function* oneCall(
  cursor: Cursor,
  read: (json: string | undefined) => ToolCall | undefined = callOf,
): Parse<boolean> {
  return yield* given(cursor, read(yield* cursor.value()));
}

/** Gives out what was read of the text that is held; without a call it stays held. */
export function* given(cursor: Cursor, call: ToolCall | undefined): Parse<boolean> {
  if (!call) return false;
  cursor.drop();
  yield { type: "call", call };
  return true;
}
