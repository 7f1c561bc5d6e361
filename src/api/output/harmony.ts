import { namedCall } from "./call-of.ts";
import type { Cursor, Parse } from "./cursor.ts";
import { given } from "./listed-calls.ts";
import type { Tools } from "./tools.ts";

/**
 * OpenAI's format of gpt-oss (https://cookbook.openai.com/articles/openai-harmony): an answer is messages, each with a header
 * that tells its channel, and for whom it is. `analysis` is thinking, `final` the answer, `commentary` either what is said
 * to the user before a call, or the call itself: `to=functions.name`.
 */
const MESSAGE = "<|message|>";
const CHANNEL = "<|channel|>";
const BEGINS = ["<|start|>", CHANNEL, MESSAGE];
const ENDS = ["<|end|>", "<|call|>", "<|return|>"];
const MARKS = [...BEGINS, ...ENDS];
const RECIPIENT = "to=";
const HEADER_CHARS_MAX = 512;

export function* parseHarmony(cursor: Cursor, tools: Tools): Parse<void> {
  // The prompt ends within a header, so the answer may go on with it.
  yield* cursor.spaces();
  let mark = (yield* cursor.word(RECIPIENT)) ? RECIPIENT : undefined;
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

/**
 * From the mark that its header begins with; returns the one that comes after it. Nobody is shown a header, also not one that
 * has no end, or another one inside.
 */
function* message(cursor: Cursor, begin: string, tools: Tools): Parse<string | undefined> {
  const rest = begin === MESSAGE ? "" : yield* headerEnd(cursor);
  const header = begin + (rest ?? "");
  const name = calledName(/\bto=([^\s<]+)/.exec(header)?.[1], tools);
  // Without marks it is what somebody says.
  const isText = rest === undefined && begin === RECIPIENT;
  if (!isText) cursor.drop();
  const isCall = rest !== undefined && name !== undefined;
  if (isText || (isCall && !(yield* call(cursor, name)))) {
    yield* cursor.give("content");
    return undefined;
  }
  const isThinking = /^\s*analysis/.test(
    header.slice(header.lastIndexOf(CHANNEL) + CHANNEL.length),
  );
  const hasChannel = header.includes(CHANNEL);
  return yield* cursor.textUntil(MARKS, hasChannel && isThinking ? "thinking" : "content");
}

/** Undefined without the mark of the message: then what is held is no header. */
function* headerEnd(cursor: Cursor): Parse<string | undefined> {
  const found = yield* cursor.upTo([MESSAGE, ...ENDS], HEADER_CHARS_MAX);
  if (found?.word !== MESSAGE) return undefined;
  yield* cursor.word(MESSAGE);
  return found.text;
}

/** Its arguments may be missing, but the mark of its end then tells that it is whole. */
function* call(cursor: Cursor, name: string): Parse<boolean> {
  yield* cursor.spaces();
  const ended = yield* cursor.oneOf(ENDS);
  if (!(yield* given(cursor, namedCall(name, ended ? "{}" : yield* cursor.value())))) return false;
  yield* cursor.spaces();
  cursor.drop();
  return true;
}

/** The tool that a message is for; undefined when it is for somebody else. */
function calledName(recipient: string | undefined, tools: Tools): string | undefined {
  if (recipient === undefined) return undefined;
  if (recipient.startsWith("functions.")) return recipient.slice("functions.".length);
  return tools.has(recipient) ? recipient : undefined;
}
