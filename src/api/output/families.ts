import type { CallFormat } from "../../core/output-format.ts";
import { action, bareCalls } from "./bare-calls.ts";
import { type CallFamily, NAME } from "./call-family.ts";
import { keyCallOf, namedCall } from "./call-of.ts";
import type { Cursor, Parse } from "./cursor.ts";
import { dsml } from "./dsml-calls.ts";
import { deepseek, kimi } from "./enclosed-calls.ts";
import { functionGemma, gemma4 } from "./gemma-calls.ts";
import { callList, closed, given, listed, oneCall } from "./listed-calls.ts";
import { eitherCall, python } from "./python-calls.ts";
import { functionCall, invokeCall, keyedCall } from "./tagged-calls.ts";
import type { Tools } from "./tools.ts";

const FUNCTION = "<function=";
const FENCE = "```";

/**
 * `<tool_call>{"name": …, "arguments": {…}}</tool_call>`: Hermes 2 and 3, Qwen 2.5 and 3, and those trained like them. Some
 * write a list, a block of Markdown or tags inside in place of JSON; Qwen 3 Coder often leaves out the mark before its tags.
 */
function hermesWith(open: string, close: string): CallFamily {
  return {
    marks: [open, FUNCTION],
    *calls(cursor, tools, mark) {
      if (mark === FUNCTION) return yield* bareFunction(cursor, tools, close);
      yield* cursor.spaces();
      for (let count = 0; ; count++) {
        // Small models close a brace more than they have opened.
        if (count > 0) yield* cursor.run(/^[\s,}]+/);
        if (count > 0 && (yield* cursor.word(close))) {
          cursor.drop();
          return true;
        }
        const found = yield* hermesCall(cursor, tools, close);
        if (found && cursor.held.trim() === "") continue;
        if (/^[\s}]*$/.test(cursor.held)) cursor.drop();
        return found || count > 0;
      }
    },
  };
}

function* bareFunction(cursor: Cursor, tools: Tools, close: string): Parse<boolean> {
  yield* cursor.spaces();
  const call = functionCall(cursor, tools, { close, isKnown: true });
  return yield* closed(cursor, call, [close]);
}

function* hermesCall(cursor: Cursor, tools: Tools, close: string): Parse<boolean> {
  if (yield* cursor.word(FUNCTION)) return yield* functionCall(cursor, tools, { close });
  if (yield* cursor.word(FENCE)) {
    yield* cursor.word("json");
    yield* cursor.spaces();
    return yield* closed(cursor, jsonCalls(cursor), [FENCE]);
  }
  if (yield* cursor.comes(["{", "["])) return yield* jsonCalls(cursor);
  return yield* keyedCall(cursor, tools);
}

/** `<tool_calls>` around a list, or around a call in each line: Hunyuan, Jamba, MiniMax M1; some have Hermes' inside. */
const hunyuan: CallFamily = {
  marks: ["<tool_calls>", "<tool_call>"],
  *calls(cursor, tools, mark) {
    const hermes = CALL_FAMILIES.hermes.calls;
    if (mark === "<tool_call>") return yield* hermes(cursor, tools, mark);
    yield* cursor.spaces();
    const one = function* (): Parse<boolean> {
      if (!(yield* cursor.word("<tool_call>"))) return yield* oneCall(cursor);
      return yield* hermes(cursor, tools, "<tool_call>");
    };
    return yield* closed(cursor, callList(cursor, one), ["</tool_calls>"]);
  },
};

/**
 * `{"name": …, "parameters": {…}}`, after a mark or as the whole answer, and more of them after a semicolon: Llama 3.1 to 4.
 * The last writes a list of calls in Python, too; behind the mark of the others such a list is code for an interpreter.
 */
const llama: CallFamily = {
  marks: ["<|python_tag|>", "<|python_start|>"],
  *calls(cursor, tools) {
    yield* cursor.spaces();
    const one = () => eitherCall(cursor, tools, { isKnown: true });
    return yield* closed(cursor, callList(cursor, one), ["<|python_end|>"]);
  },
  bare: bareCalls,
};

/**
 * `[TOOL_CALLS] [{"name": …, "arguments": {…}, "id": …}, …]`, and since the tokenizer's version 11
 * `[TOOL_CALLS]name[CALL_ID]id[ARGS]{…}`, the mark before each call: Mistral.
 */
const mistral: CallFamily = {
  marks: ["[TOOL_CALLS]"],
  *calls(cursor) {
    yield* cursor.spaces();
    if (yield* cursor.comes(["{", "["])) return yield* jsonCalls(cursor);
    const name = yield* cursor.run(NAME);
    yield* cursor.spaces();
    const hasId = yield* cursor.word("[CALL_ID]");
    yield* cursor.spaces();
    const id = hasId ? yield* cursor.run(NAME) : undefined;
    yield* cursor.spaces();
    yield* cursor.word("[ARGS]");
    yield* cursor.spaces();
    if (name === "") return false;
    return yield* given(cursor, namedCall(name, yield* cursor.value(), id));
  },
};

function jsonCalls(cursor: Cursor): Parse<boolean> {
  return callList(cursor, () => oneCall(cursor));
}

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
      if (!(yield* invokeCall(cursor, tools, { close: "</minimax:tool_call>" }))) return count > 0;
    }
  },
};

/** Command R7B and A also mark what they say: as a response, later ones as a text. */
const command: CallFamily = {
  ...listed(["<|START_ACTION|>"], ["<|END_ACTION|>"]),
  silent: ["<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_TEXT|>", "<|END_TEXT|>"],
};

/** Those of a format that is more than calls are not here, nor are those that a template has of its own. */
export const CALL_FAMILIES: Readonly<
  Record<Exclude<CallFormat, "harmony" | "functionary" | "json">, CallFamily>
> = {
  hermes: hermesWith("<tool_call>", "</tool_call>"),
  llama,
  mistral,
  deepseek,
  dsml,
  kimi,
  minimax,
  command,
  action,
  // Granite 3; since 4 it writes as Hermes does.
  granite: listed(["<|tool_call|>", "<tool_call>"], ["</tool_call>"]),
  // Llama Nemotron and Nano 2 in capitals, Mini in small letters.
  nemotron: listed(["<TOOLCALL>", "<toolcall>"], ["</TOOLCALL>", "</toolcall>"]),
  phi: listed(["functools", "<|tool_call|>"], ["<|/tool_call|>"]),
  hunyuan,
  seed: hermesWith("<seed:tool_call>", "</seed:tool_call>"),
  python,
  functiongemma: functionGemma,
  gemma4,
  apertus: listed(["<|tools_prefix|>"], ["<|tools_suffix|>"], keyCallOf),
};
