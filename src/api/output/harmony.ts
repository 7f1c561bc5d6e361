import { namedCall } from "./call-of.ts";
import type { Cursor, Parse } from "./cursor.ts";
import type { Tools } from "./tools.ts";

/**
 * OpenAI's format of gpt-oss (https://cookbook.openai.com/articles/openai-harmony): an answer is messages, each with a header
 * that tells its channel, and for whom it is. `analysis` is thinking, `final` the answer, `commentary` either what is said
 * to the user before a call, or the call itself: `to=functions.name`.
 */
const MESSAGE = "<|message|>";
const BEGINS = ["<|start|>", "<|channel|>", MESSAGE];
const ENDS = ["<|end|>", "<|call|>", "<|return|>"];
const MARKS = [...BEGINS, ...ENDS];
const HEADER_CHARS_MAX = 512;

export function* parseHarmony(cursor: Cursor, tools: Tools): Parse<void> {
  // The prompt ends within a header, so the answer may go on with it.
  yield* cursor.spaces();
  let mark = (yield* cursor.word("to=")) ? "to=" : undefined;
  if (mark === undefined) cursor.back();
  for (;;) {
    mark ??= yield* cursor.textUntil(MARKS, "content");
    if (mark === undefined) return;
    if (!ENDS.includes(mark)) mark = yield* message(cursor, mark, tools);
    else {
      cursor.drop();
      mark = undefined;
    }
  }
}

/** From the mark that its header begins with; returns the one that comes after it. */
function* message(cursor: Cursor, begin: string, tools: Tools): Parse<string | undefined> {
  const rest = begin === MESSAGE ? "" : yield* cursor.before(MESSAGE, HEADER_CHARS_MAX);
  const header = begin + (rest ?? "");
  const name = calledName(/\bto=([^\s<]+)/.exec(header)?.[1], tools);
  if (rest === undefined || (name !== undefined && !(yield* call(cursor, name)))) {
    yield* cursor.give("content");
    return undefined;
  }
  cursor.drop();
  const isThinking = /<\|channel\|>\s*analysis/.test(header);
  return yield* cursor.textUntil(MARKS, isThinking ? "thinking" : "content");
}

/** Its arguments may be missing, but the mark of its end then tells that it is whole. */
function* call(cursor: Cursor, name: string): Parse<boolean> {
  yield* cursor.spaces();
  const ended = yield* cursor.oneOf(ENDS);
  const call = namedCall(name, ended ? "{}" : yield* cursor.json());
  if (!call) return false;
  cursor.drop();
  yield { type: "call", call };
  yield* cursor.spaces();
  return true;
}

/** The tool that a message is for; undefined when it is for somebody else. */
function calledName(recipient: string | undefined, tools: Tools): string | undefined {
  if (recipient === undefined) return undefined;
  if (recipient.startsWith("functions.")) return recipient.slice("functions.".length);
  return tools.has(recipient) ? recipient : undefined;
}
