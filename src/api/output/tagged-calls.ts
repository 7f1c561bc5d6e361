import { NAME } from "./call-family.ts";
import type { Cursor, Parse } from "./cursor.ts";
import { argumentOf, type Tools } from "./tools.ts";

/** Names are no longer; what is, is something else. */
export const NAME_CHARS_MAX = 256;

/** The tags of one call, after its first mark; `nameOf` finds the name in what stands between a mark and its `>`. */
interface Tags {
  readonly parameter: string;
  readonly end: string;
  readonly nameOf: (text: string) => string | undefined;
}

const FUNCTION_TAGS: Tags = {
  parameter: "<parameter=",
  end: "</function>",
  nameOf: (text) => text,
};

/**
 * The inside of `<tool_call>` as Qwen 3 Coder and 3.5 write it: `<function=name><parameter=key>value</parameter>…</function>`.
 * A value has a line of its own, and is text as it stands. Begins with the first mark held. `isKnown`: only a tool that
 * was given.
 */
export function functionCall(
  cursor: Cursor,
  tools: Tools,
  { isKnown = false } = {},
): Parse<boolean> {
  return taggedCall(cursor, tools, isKnown ? { ...FUNCTION_TAGS, isKnown } : FUNCTION_TAGS);
}

/** Models repeat a tool's description as further attributes. */
const INVOKE_TAGS: Tags = {
  parameter: "<parameter",
  end: "</invoke>",
  nameOf: (text) => /(?:^|\s)name\s*=\s*"([^"]*)"/.exec(text)?.[1],
};

/** `<invoke name="…"><parameter name="key">value</parameter>…</invoke>`. */
export function* invokeCall(cursor: Cursor, tools: Tools): Parse<boolean> {
  return (yield* cursor.word("<invoke")) && (yield* taggedCall(cursor, tools, INVOKE_TAGS));
}

function* taggedCall(
  cursor: Cursor,
  tools: Tools,
  { parameter, end, nameOf, isKnown = false }: Tags & { readonly isKnown?: boolean },
): Parse<boolean> {
  const name = nameOf((yield* cursor.before(">", NAME_CHARS_MAX)) ?? "");
  if (!name || (isKnown && !tools.has(name))) return false;
  const values: Record<string, unknown> = {};
  for (;;) {
    yield* cursor.spaces();
    const next = yield* cursor.oneOf([parameter, end]);
    if (next === end) break;
    const key = next && nameOf((yield* cursor.before(">", NAME_CHARS_MAX)) ?? "");
    const value = key && (yield* cursor.before("</parameter>"));
    if (!key || value === undefined) return false;
    const text = value.replace(/^\n/, "").replace(/\n$/, "");
    define(values, key, argumentOf(text, tools.get(name)?.[key]));
  }
  cursor.drop();
  yield { type: "call", call: { name, arguments: values } };
  return true;
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
  if (!(yield* cursor.comes(["</tool_call>"]))) return false;
  cursor.drop();
  yield { type: "call", call: { name, arguments: values } };
  return true;
}

/** As JSON.parse does it: a key may be any text, "__proto__" too. */
export function define(values: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(values, key, {
    ...{ value, enumerable: true, writable: true, configurable: true },
  });
}
