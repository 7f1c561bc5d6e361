import { NAME } from "./call-family.ts";
import { namedCall } from "./call-of.ts";
import type { Cursor, Parse } from "./cursor.ts";
import { define } from "./define.ts";
import { given } from "./listed-calls.ts";
import { argumentOf, type Tools } from "./tools.ts";

/** Names are no longer; what is, is something else. */
export const NAME_CHARS_MAX = 256;

/** The tags of one call, after its first mark; `nameOf` finds the name in what stands between a mark and its `>`. */
interface Tags {
  readonly parameter: string;
  readonly end: string;
  readonly nameOf: (text: string) => string | undefined;
}

interface Around {
  /** What ends the block that the call stands in. */
  readonly close: string;
  /** Only a tool that was given. */
  readonly isKnown?: boolean;
}

const PARAMETER_END = "</parameter>";

const FUNCTION_TAGS: Tags = {
  parameter: "<parameter=",
  end: "</function>",
  nameOf: (text) => text,
};

/**
 * The inside of `<tool_call>` as Qwen 3 Coder and 3.5 write it: `<function=name><parameter=key>value</parameter>…</function>`.
 * A value has a line of its own, and is text as it stands. Functionary 3.1 writes all of them as one object. Begins with the
 * first mark held.
 */
export function functionCall(cursor: Cursor, tools: Tools, around: Around): Parse<boolean> {
  return taggedCall(cursor, tools, { ...FUNCTION_TAGS, ...around });
}

/** Models repeat a tool's description as further attributes. */
const INVOKE_TAGS: Tags = {
  parameter: "<parameter",
  end: "</invoke>",
  nameOf: (text) => /(?:^|\s)name\s*=\s*"([^"]*)"/.exec(text)?.[1],
};

/** `<invoke name="…"><parameter name="key">value</parameter>…</invoke>`. */
export function* invokeCall(cursor: Cursor, tools: Tools, around: Around): Parse<boolean> {
  if (!(yield* cursor.word("<invoke"))) return false;
  return yield* taggedCall(cursor, tools, { ...INVOKE_TAGS, ...around });
}

function* taggedCall(cursor: Cursor, tools: Tools, tags: Tags & Around): Parse<boolean> {
  const { parameter, end, close, nameOf, isKnown = false } = tags;
  const name = nameOf((yield* cursor.before(">", NAME_CHARS_MAX)) ?? "");
  if (!name || (isKnown && !tools.has(name))) return false;
  yield* cursor.spaces();
  if (yield* cursor.comes(["{"])) return yield* objectCall(cursor, name, end);
  const values: Record<string, unknown> = {};
  for (;;) {
    yield* cursor.spaces();
    const next = yield* cursor.oneOf([parameter, end]);
    if (next === end) break;
    if (!next) {
      const isWhole = Object.keys(values).length > 0 && (yield* cursor.isOver());
      if (isWhole || (yield* cursor.comes([close]))) break;
      return false;
    }
    const key = nameOf((yield* cursor.before(">", NAME_CHARS_MAX)) ?? "");
    const value = key && (yield* parameterText(cursor, tags));
    if (!key || value === undefined) return false;
    const text = value.replace(/^\n/, "").replace(/\n$/, "");
    define(values, key, argumentOf(text, tools.get(name)?.[key]));
  }
  return yield* given(cursor, { name, arguments: values });
}

function* objectCall(cursor: Cursor, name: string, end: string): Parse<boolean> {
  if (!(yield* given(cursor, namedCall(name, yield* cursor.value())))) return false;
  yield* cursor.spaces();
  if (yield* cursor.word(end)) cursor.drop();
  return true;
}

/**
 * Up to the end of the value. Models leave its mark out; then what comes after it ends it, but only as it stands at the end of
 * a value, since a value may be a text about such calls.
 */
function* parameterText(
  cursor: Cursor,
  { parameter, end, close }: Tags & Around,
): Parse<string | undefined> {
  const next = [`\n${parameter}`, `${end}\n${close}`, `${end}${close}`, `\n${close}`];
  const found = yield* cursor.upTo([PARAMETER_END, ...next]);
  if (found?.word === PARAMETER_END) yield* cursor.word(PARAMETER_END);
  return found?.text;
}

/** As GLM 4.5 and later write it: a name, then `<arg_key>key</arg_key><arg_value>value</arg_value>` for each argument. */
export function* keyedCall(cursor: Cursor, tools: Tools): Parse<boolean> {
  const name = yield* cursor.run(NAME);
  const schemas = tools.get(name);
  if (!schemas) return false;
  const values: Record<string, unknown> = {};
  for (;;) {
    yield* cursor.spaces();
    if (!(yield* cursor.word("<arg_key>"))) break;
    const key = yield* cursor.before("</arg_key>", NAME_CHARS_MAX);
    yield* cursor.spaces();
    const begins = key !== undefined && (yield* cursor.word("<arg_value>"));
    const value = begins ? yield* cursor.before("</arg_value>") : undefined;
    if (key === undefined || value === undefined) return false;
    define(values, key, argumentOf(value, schemas[key]));
  }
  const next = yield* cursor.comes(["</tool_call>", "<tool_call>"]);
  if (!next && (Object.keys(values).length === 0 || !(yield* cursor.isOver()))) return false;
  return yield* given(cursor, { name, arguments: values });
}
