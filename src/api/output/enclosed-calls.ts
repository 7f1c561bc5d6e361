import { type CallFamily, NAME } from "./call-family.ts";
import { namedCall } from "./call-of.ts";
import type { Cursor, Parse } from "./cursor.ts";
import { given } from "./listed-calls.ts";

/** Tokens around all calls of an answer and around each; each has as many names as models write it with. */
interface Enclosure {
  readonly callsBegin: readonly string[];
  readonly callsEnd: readonly string[];
  readonly callBegin: readonly string[];
  readonly callEnd: readonly string[];
}

/** `one` reads what stands between the tokens of one call. */
function enclosed(
  { callsBegin, callsEnd, callBegin, callEnd }: Enclosure,
  one: (cursor: Cursor) => Parse<boolean>,
): CallFamily {
  return {
    marks: [...callsBegin, ...callBegin],
    *calls(cursor, _tools, mark) {
      let begun = callBegin.includes(mark);
      for (let count = 0; ; count++) {
        yield* cursor.spaces();
        if (count > 0 && (yield* cursor.oneOf(callsEnd))) {
          cursor.drop();
          return true;
        }
        begun = (count === 0 && begun) || (yield* cursor.oneOf(callBegin)) !== undefined;
        // Small models leave out the token before the first call.
        if (!begun && count > 0) return true;
        yield* cursor.spaces();
        if (!(yield* one(cursor))) return count > 0;
        yield* cursor.spaces();
        if (yield* cursor.oneOf(callEnd)) cursor.drop();
      }
    },
  };
}

/** Its tokens are written in several ways by what was trained on its answers. */
const deepseekMarks = (text: string): readonly string[] =>
  ["▁", "_", " ", "\\_"].map((space) => `<｜${text.replaceAll(" ", space)}｜>`);

const DEEPSEEK = {
  callsBegin: deepseekMarks("tool calls begin"),
  callsEnd: deepseekMarks("tool calls end"),
  callBegin: deepseekMarks("tool call begin"),
  callEnd: deepseekMarks("tool call end"),
};
const DEEPSEEK_SEPARATOR = deepseekMarks("tool sep");

/**
 * Between its tokens, `function<sep>name`, a line end and the arguments in a block of Markdown (V3 and R1), or
 * `name<sep>{…}` (V3.1).
 */
export const deepseek = enclosed(DEEPSEEK, function* (cursor) {
  const before = yield* cursor.run(NAME);
  if (!(yield* cursor.oneOf(DEEPSEEK_SEPARATOR))) return false;
  const after = yield* cursor.run(NAME);
  yield* cursor.spaces();
  const fenced = yield* cursor.word("```json");
  yield* cursor.spaces();
  const call = namedCall(after === "" ? before : after, yield* cursor.value());
  if (!call || call.name === "") return false;
  cursor.drop();
  yield { type: "call", call };
  if (!fenced) return true;
  yield* cursor.spaces();
  if (yield* cursor.word("```")) cursor.drop();
  return true;
});

const KIMI = {
  callsBegin: ["<|tool_calls_section_begin|>", "<|tool_call_section_begin|>"],
  callsEnd: ["<|tool_calls_section_end|>", "<|tool_call_section_end|>"],
  callBegin: ["<|tool_call_begin|>"],
  callEnd: ["<|tool_call_end|>"],
};
const KIMI_ARGUMENTS = "<|tool_call_argument_begin|>";
const KIMI_ID = /^(?:functions\.)?(.+?)(?::\d+)?$/;

/** `functions.name:0<|tool_call_argument_begin|>{…}`, where what stands first is the call's id: Kimi K2. */
export const kimi = enclosed(KIMI, function* (cursor) {
  const id = yield* cursor.run(NAME);
  yield* cursor.spaces();
  const name = KIMI_ID.exec(id)?.[1];
  if (name === undefined) return false;
  const hasMark = yield* cursor.word(KIMI_ARGUMENTS);
  yield* cursor.spaces();
  // A tool that takes nothing is called with nothing.
  const isEmpty = yield* cursor.comes(KIMI.callEnd);
  if (!hasMark && !isEmpty) return false;
  return yield* given(cursor, namedCall(name, isEmpty ? "{}" : yield* cursor.value(), id));
});
