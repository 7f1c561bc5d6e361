import type { Marks } from "../../core/output-format.ts";
import { type CallFamily, NAME } from "./call-family.ts";
import { callOf, namedCall, plainCallOf } from "./call-of.ts";
import type { Cursor, Parse } from "./cursor.ts";
import { callList, closed, given, oneCall } from "./listed-calls.ts";
import { pythonCall } from "./python-calls.ts";
import type { Tools } from "./tools.ts";

/** What a call's JSON may begin with: everything else is an answer in JSON. */
const NAME_KEYS = ['"name"', '"function"', '"tool_name"'];
const OTHER_KEYS = ['"parameters"', '"arguments"', '"type"', '"id"', '"tool_call_id"'];
const FENCE = "```";

/**
 * Calls that begin an answer without a mark, in JSON or in a list as Python writes it: only the names of tools that were given
 * tell them from an answer. Small models put them into a block of Markdown.
 */
export function* bareCalls(cursor: Cursor, tools: Tools): Parse<boolean> {
  yield* cursor.spaces();
  if (!(yield* cursor.word(FENCE))) return yield* plainCalls(cursor, tools);
  yield* cursor.word("json");
  yield* cursor.spaces();
  return yield* closed(cursor, plainCalls(cursor, tools), [FENCE]);
}

function plainCalls(cursor: Cursor, tools: Tools): Parse<boolean> {
  return callList(cursor, function* (isListed) {
    if (yield* callBegins(cursor, tools))
      return yield* oneCall(cursor, (json) => plainCallOf(json, tools));
    if (!isListed || (yield* cursor.comes(["{"]))) return false;
    return yield* pythonCall(cursor, tools, { isKnown: true });
  });
}

function* callBegins(cursor: Cursor, tools: Tools): Parse<boolean> {
  const { length } = cursor.held;
  const begins = yield* callKeyBegins(cursor, tools);
  cursor.back(length);
  return begins;
}

/** With the name first, as most models write it, an answer in JSON shows before it is whole: so it is not held back. */
function* callKeyBegins(cursor: Cursor, tools: Tools): Parse<boolean> {
  if (!(yield* cursor.word("{"))) return false;
  yield* cursor.spaces();
  const key = yield* cursor.oneOf([...NAME_KEYS, ...OTHER_KEYS]);
  if (key === undefined || OTHER_KEYS.includes(key)) return key !== undefined;
  yield* cursor.spaces();
  if (!(yield* cursor.word(":"))) return false;
  yield* cursor.spaces();
  const names = [...tools.keys()].map((name) => JSON.stringify(name));
  return (yield* cursor.comes([...names, "{"])) !== undefined;
}

/**
 * Of a template that nobody has told us about: the mark is what it writes before a call, as in Ollama, if it writes anything.
 * Behind it, too, only a tool that was given is called.
 */
export function markedByTemplate(marks: Marks | undefined): CallFamily {
  return {
    marks: marks ? [marks.open] : [],
    *calls(cursor, tools) {
      yield* cursor.spaces();
      const calls = callList(cursor, () => knownCall(cursor, tools));
      return yield* closed(cursor, calls, [marks?.close || FENCE]);
    },
    bare: bareCalls,
  };
}

function* knownCall(cursor: Cursor, tools: Tools): Parse<boolean> {
  if (yield* cursor.comes(["{"])) {
    return yield* oneCall(cursor, (json) => {
      const call = callOf(json);
      return call && tools.has(call.name) ? call : undefined;
    });
  }
  const name = yield* cursor.run(NAME);
  if (!tools.has(name)) return false;
  yield* cursor.spaces();
  return yield* given(cursor, namedCall(name, yield* cursor.value()));
}

/** With these the first Command R says that it calls nothing. */
const ANSWERS: ReadonlySet<string> = new Set(["directly-answer", "directly_answer"]);

/** `Action:` and a list of JSON in a block of Markdown: Command R and R+. */
export const action: CallFamily = {
  marks: ["Action:"],
  *calls(cursor, tools) {
    yield* cursor.spaces();
    if (!(yield* cursor.word(FENCE))) return false;
    yield* cursor.word("json");
    yield* cursor.spaces();
    const calls = callList(cursor, () => actionCall(cursor, tools));
    return yield* closed(cursor, calls, [FENCE]);
  },
};

function* actionCall(cursor: Cursor, tools: Tools): Parse<boolean> {
  const call = callOf(yield* cursor.value());
  if (call && ANSWERS.has(call.name)) {
    cursor.drop();
    return true;
  }
  return yield* given(cursor, call && tools.has(call.name) ? call : undefined);
}
