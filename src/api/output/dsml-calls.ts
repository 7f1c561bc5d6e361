import type { ToolCall } from "../../core/inference.ts";
import type { CallFamily } from "./call-family.ts";
import { namedCall } from "./call-of.ts";
import type { Cursor, Parse } from "./cursor.ts";
import { define } from "./define.ts";
import { parseJson } from "./exact-json.ts";
import { given } from "./listed-calls.ts";
import { NAME_CHARS_MAX } from "./tagged-calls.ts";
import { argumentOf, type Tools } from "./tools.ts";

/** What begins the name of each tag: as it was trained, doubled as some write it in long conversations, and left out. */
const PREFIXES = ["｜DSML｜", "｜｜DSML｜｜", ""] as const;
const tags = (before: string, name: string, prefixes: readonly string[] = PREFIXES) =>
  prefixes.map((prefix) => `${before}${prefix}${name}`);

const CALLS_BEGIN = [...tags("<", "function_calls>"), ...tags("<", "tool_calls>")];
const CALLS_END = [...tags("</", "function_calls>"), ...tags("</", "tool_calls>")];
const INVOKE = tags("<", "invoke");
const INVOKE_END = tags("</", "invoke>");
const PARAMETER = tags("<", "parameter");
const PARAMETER_END = tags("</", "parameter>");
/** Without what is around all calls, only a prefix tells that it is meant. */
const BARE = tags("<", "invoke", PREFIXES.slice(0, 2));

/**
 * `<｜DSML｜function_calls><｜DSML｜invoke name="…"><｜DSML｜parameter name="…" string="true">…</｜DSML｜parameter>…` with all of
 * them closed: DeepSeek V3.2; V4 writes `tool_calls` around it. A value that is no string is JSON. What is around them, and
 * the end of a call before the next one, are left out at times.
 */
export const dsml: CallFamily = {
  marks: [...CALLS_BEGIN, ...BARE],
  *calls(cursor, tools, mark) {
    let isBegun = BARE.includes(mark);
    for (let count = 0; ; count++) {
      yield* cursor.spaces();
      if (count > 0 && (yield* cursor.oneOf(CALLS_END))) {
        cursor.drop();
        return true;
      }
      isBegun ||= (yield* cursor.oneOf(INVOKE)) !== undefined;
      if (!isBegun || !(yield* invoked(cursor, tools))) return count > 0;
      isBegun = false;
    }
  },
};

/** After its first mark. */
function* invoked(cursor: Cursor, tools: Tools): Parse<boolean> {
  const name = attribute("name", yield* cursor.before(">", NAME_CHARS_MAX));
  if (!name) return false;
  yield* cursor.spaces();
  const call = (yield* cursor.comes(["{"]))
    ? namedCall(name, yield* wholeJson(cursor))
    : yield* taggedArguments(cursor, name, tools);
  return yield* given(cursor, call);
}

/** Some write all arguments as one object. */
function* wholeJson(cursor: Cursor): Parse<string | undefined> {
  const json = yield* cursor.value();
  yield* cursor.spaces();
  yield* cursor.oneOf(INVOKE_END);
  return json;
}

function* taggedArguments(cursor: Cursor, name: string, tools: Tools): Parse<ToolCall | undefined> {
  const values: Record<string, unknown> = {};
  for (;;) {
    yield* cursor.spaces();
    const next = yield* cursor.oneOf([...PARAMETER, ...INVOKE_END]);
    if (next === undefined && !(yield* cursor.comes([...INVOKE, ...CALLS_END]))) return undefined;
    const end = next && PARAMETER_END[PARAMETER.indexOf(next)];
    if (!end) return { name, arguments: values };
    const attributes = yield* cursor.before(">", NAME_CHARS_MAX);
    const key = attribute("name", attributes);
    const text = key && (yield* cursor.before(end));
    if (!key || text === undefined) return undefined;
    const kind = attribute("string", attributes);
    define(values, key, parameterValue(text, kind, tools.get(name)?.[key]));
  }
}

/** `kind`: what it says of itself; where that is neither true nor false, its schema decides. */
function parameterValue(text: string, kind: string | undefined, schema: unknown): unknown {
  if (kind === "true") return text;
  try {
    if (kind === "false") return parseJson(text);
  } catch {
    // Models write what looks like JSON.
  }
  return argumentOf(text, schema);
}

function attribute(name: string, text: string | undefined): string | undefined {
  return new RegExp(`(?:^|\\s)${name}\\s*=\\s*"([^"]*)"`).exec(text ?? "")?.[1];
}
