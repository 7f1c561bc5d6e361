import { type CallFamily, NAME } from "./call-family.ts";
import type { Cursor, Parse } from "./cursor.ts";
import { given } from "./listed-calls.ts";
import { markedObject } from "./loose-values.ts";

interface GemmaMarks {
  readonly open: string;
  readonly close: string;
  /** What its strings stand between. */
  readonly string: string;
  /** What the model goes on with as if the tool had answered. */
  readonly response: string;
}

/** `<start_function_call>call:name{city:<escape>Oslo<escape>,days:2}<end_function_call>`: FunctionGemma. */
export const functionGemma = gemma({
  ...{ open: "<start_function_call>", close: "<end_function_call>", string: "<escape>" },
  response: "<start_function_response>",
});

/** `<|tool_call>call:name{city:<|"|>Oslo<|"|>,days:2}<tool_call|>`: Gemma 4. */
export const gemma4 = gemma({
  ...{ open: "<|tool_call>", close: "<tool_call|>", string: '<|"|>' },
  response: "<|tool_response>",
});

function gemma(marks: GemmaMarks): CallFamily {
  const { open, close, response } = marks;
  return {
    marks: [open],
    *calls(cursor) {
      yield* cursor.spaces();
      if (!(yield* gemmaCall(cursor, marks))) return false;
      // It repeats the mark of the end at times.
      for (;;) {
        yield* cursor.spaces();
        if (!(yield* cursor.oneOf([close, response]))) return true;
        cursor.drop();
      }
    },
  };
}

function* gemmaCall(cursor: Cursor, { open, close, string }: GemmaMarks): Parse<boolean> {
  if (!(yield* cursor.word("call:"))) return false;
  const name = yield* cursor.run(NAME);
  const { length } = cursor.held;
  const found = yield* cursor.upTo([close, open]);
  if (found?.word === close) yield* cursor.word(close);
  // The answer may end before the mark; its arguments are whole or not.
  const values = markedObject(found?.text ?? cursor.held.slice(length), string);
  if (name === "" || !values) return false;
  return yield* given(cursor, { name, arguments: values });
}
