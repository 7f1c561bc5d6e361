import type { CallFamily } from "./call-family.ts";
import { callOf } from "./call-of.ts";
import type { Cursor, Parse } from "./cursor.ts";

/** A family whose calls are a list of JSON objects, or one alone, between marks; the closing ones are often missing. */
export function listed(open: readonly string[], close: readonly string[]): CallFamily {
  return {
    marks: open,
    *calls(cursor) {
      yield* cursor.spaces();
      const isList = yield* cursor.word("[");
      if (!(yield* isList ? listedCalls(cursor) : oneCall(cursor))) return false;
      yield* cursor.spaces();
      if (cursor.held.trim() === "" && (yield* cursor.oneOf(close))) cursor.drop();
      return true;
    },
  };
}

/** `{…}, {…}]`: what follows the bracket that opens the list. */
export function* listedCalls(cursor: Cursor): Parse<boolean> {
  for (let count = 0; ; count++) {
    yield* cursor.spaces();
    if (!(yield* oneCall(cursor))) return count > 0;
    yield* cursor.spaces();
    const next = yield* cursor.oneOf([",", "]"]);
    if (next === "]") cursor.drop();
    if (next !== ",") return true;
  }
}

/** The call that a JSON object is. */
export function* oneCall(cursor: Cursor): Parse<boolean> {
  const call = callOf(yield* cursor.json());
  if (!call) return false;
  cursor.drop();
  yield { type: "call", call };
  return true;
}
