import { type CallFamily, NAME } from "./call-family.ts";
import type { Cursor, Parse } from "./cursor.ts";
import { callList, closed, given, oneCall } from "./listed-calls.ts";
import { pythonArguments } from "./loose-values.ts";
import type { Tools } from "./tools.ts";

/**
 * `<|tool_call_start|>[get_weather(city="Oslo"), …]<|tool_call_end|>`: LFM 2, which writes JSON when it is asked to; and
 * `<function_calls>` with a call in each line: OLMo 3.
 */
export const python: CallFamily = {
  marks: ["<|tool_call_start|>", "<function_calls>"],
  *calls(cursor, tools) {
    yield* cursor.spaces();
    const one = () => eitherCall(cursor, tools);
    return yield* closed(cursor, callList(cursor, one), ["<|tool_call_end|>", "</function_calls>"]);
  },
};

/** `isKnown`: as Python only a tool that was given. */
export function* eitherCall(
  cursor: Cursor,
  tools: Tools,
  { isKnown = false } = {},
): Parse<boolean> {
  if (yield* cursor.comes(["{"])) return yield* oneCall(cursor);
  return yield* pythonCall(cursor, tools, { isKnown });
}

/** `name(city="Oslo", days=2)`; Llama 3.1 was shown `name.call(…)`, too. */
export function* pythonCall(
  cursor: Cursor,
  tools: Tools,
  { isKnown }: { readonly isKnown: boolean },
): Parse<boolean> {
  const written = yield* cursor.run(NAME);
  const name = tools.has(written) ? written : written.replace(/\.call$/, "");
  if (name === "" || (isKnown && !tools.has(name))) return false;
  const text = yield* cursor.value("(");
  const values = text && pythonArguments(text, Object.keys(tools.get(name) ?? {}));
  return yield* given(cursor, values ? { name, arguments: values } : undefined);
}
