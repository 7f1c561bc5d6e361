import type { CallFormat } from "../../core/output-format.ts";
import { type CallFamily, NAME } from "./call-family.ts";
import { callOf, namedCall } from "./call-of.ts";
import type { Cursor, Parse } from "./cursor.ts";
import { dsml } from "./dsml-calls.ts";
import { deepseek, kimi } from "./enclosed-calls.ts";
import { listed, listedCalls, oneCall } from "./listed-calls.ts";
import { functionCall, invokeCall, keyedCall } from "./tagged-calls.ts";
import type { Tools } from "./tools.ts";

const FUNCTION = "<function=";

/**
 * `<tool_call>{"name": …, "arguments": {…}}</tool_call>`: Hermes 2 and 3, Qwen 2.5 and 3, and those trained like them. Some
 * write a list or tags inside in place of JSON; Qwen 3 Coder often leaves out the mark before its tags.
 */
const hermes: CallFamily = {
  marks: ["<tool_call>", FUNCTION],
  *calls(cursor, tools, mark) {
    const isBare = mark === FUNCTION;
    for (let count = 0; ; count++) {
      if (count > 0) yield* cursor.run(/^[\s,]+/);
      else yield* cursor.spaces();
      if (count > 0 && (yield* cursor.word("</tool_call>"))) {
        cursor.drop();
        return true;
      }
      if (isBare && count > 0) return true;
      const found = isBare
        ? yield* functionCall(cursor, tools, { isKnown: true })
        : yield* hermesCall(cursor, tools);
      if (!found) return count > 0;
    }
  },
};

function* hermesCall(cursor: Cursor, tools: Tools): Parse<boolean> {
  if (yield* cursor.word(FUNCTION)) return yield* functionCall(cursor, tools);
  if (yield* cursor.word("[")) return yield* listedCalls(cursor);
  if (!(yield* cursor.comes(["{"]))) return yield* keyedCall(cursor, tools);
  return yield* oneCall(cursor);
}

/** What a call's JSON may begin with: everything else is an answer in JSON. */
const LLAMA_KEYS = ['"name"', '"parameters"', '"arguments"', '"type"', '"function"', '"id"'];

/**
 * `{"name": …, "parameters": {…}}`, after a mark or as the whole answer, and more of them after a semicolon: Llama 3.1 to 4.
 * Without the mark only the names of tools that were given tell a call from an answer in JSON; small ones put it into a
 * block of Markdown.
 */
const llama: CallFamily = {
  marks: ["<|python_tag|>", "<|python_start|>"],
  *calls(cursor) {
    yield* cursor.spaces();
    return yield* closed(cursor, llamaCalls(cursor, undefined), "<|python_end|>");
  },
  *bare(cursor, tools) {
    yield* cursor.spaces();
    if (!(yield* cursor.word("```"))) return yield* llamaCalls(cursor, tools);
    yield* cursor.word("json");
    yield* cursor.spaces();
    return yield* closed(cursor, llamaCalls(cursor, tools), "```");
  },
};

/** Drops the mark that ends the calls, if it comes. */
function* closed(cursor: Cursor, calls: Parse<boolean>, mark: string): Parse<boolean> {
  if (!(yield* calls)) return false;
  yield* cursor.spaces();
  if (cursor.held.trim() === "" && (yield* cursor.word(mark))) cursor.drop();
  return true;
}

function* llamaCalls(cursor: Cursor, tools: Tools | undefined): Parse<boolean> {
  for (let count = 0; ; count++) {
    if (!(yield* llamaBegins(cursor))) return count > 0;
    const call = callOf(yield* cursor.json());
    if (!call || tools?.has(call.name) === false) return count > 0;
    cursor.drop();
    yield { type: "call", call };
    yield* cursor.run(/^[\s;,]+/);
  }
}

function* llamaBegins(cursor: Cursor): Parse<boolean> {
  const { length } = cursor.held;
  let begins = yield* cursor.word("{");
  if (begins) {
    yield* cursor.spaces();
    begins = (yield* cursor.oneOf(LLAMA_KEYS)) !== undefined;
  }
  cursor.back(length);
  return begins;
}

/**
 * `[TOOL_CALLS] [{"name": …, "arguments": {…}, "id": …}, …]`, and since the tokenizer's version 11
 * `[TOOL_CALLS]name[CALL_ID]id[ARGS]{…}`, the mark before each call: Mistral.
 */
const mistral: CallFamily = {
  marks: ["[TOOL_CALLS]"],
  *calls(cursor) {
    yield* cursor.spaces();
    if (yield* cursor.word("[")) return yield* listedCalls(cursor);
    const name = yield* cursor.run(NAME);
    const id = (yield* cursor.word("[CALL_ID]")) ? yield* cursor.run(NAME) : undefined;
    yield* cursor.word("[ARGS]");
    yield* cursor.spaces();
    const call = name === "" ? undefined : namedCall(name, yield* cursor.json(), id);
    if (!call) return false;
    cursor.drop();
    yield { type: "call", call };
    return true;
  },
};

/** `<minimax:tool_call><invoke name="…"><parameter name="…">…</parameter></invoke>…</minimax:tool_call>`: MiniMax M2. */
const minimax: CallFamily = {
  marks: ["<minimax:tool_call>"],
  *calls(cursor, tools) {
    for (let count = 0; ; count++) {
      yield* cursor.spaces();
      if (count > 0 && (yield* cursor.word("</minimax:tool_call>"))) {
        cursor.drop();
        return true;
      }
      if (!(yield* invokeCall(cursor, tools))) return count > 0;
    }
  },
};

/** Command R7B and A also mark what they say: as a response, later ones as a text. */
const command: CallFamily = {
  ...listed(["<|START_ACTION|>"], ["<|END_ACTION|>"]),
  silent: ["<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_TEXT|>", "<|END_TEXT|>"],
};

/** Harmony is more than calls: see `harmony.ts`. */
export const CALL_FAMILIES: Readonly<Record<Exclude<CallFormat, "harmony">, CallFamily>> = {
  hermes,
  llama,
  mistral,
  deepseek,
  dsml,
  kimi,
  minimax,
  command,
  // Granite 3; since 4 it writes as Hermes does.
  granite: listed(["<|tool_call|>", "<tool_call>"], ["</tool_call>"]),
  nemotron: listed(["<TOOLCALL>"], ["</TOOLCALL>"]),
  phi: listed(["functools", "<|tool_call|>"], ["<|/tool_call|>"]),
};
