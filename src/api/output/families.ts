import type { CallFormat } from "../../core/output-format.ts";
import { callOf, namedCall } from "./call-of.ts";
import type { Cursor, Parse } from "./cursor.ts";
import { functionCall, keyedCall } from "./tagged-calls.ts";
import type { Tools } from "./tools.ts";

/**
 * How a family of models writes calls into its text. `calls` begins with the mark held, gives the calls out as they become
 * whole, and tells whether there was one; what it leaves held is text.
 */
export interface CallFamily {
  readonly marks: readonly string[];
  readonly calls: (cursor: Cursor, tools: Tools, mark: string) => Parse<boolean>;
  /** Calls that begin the answer without a mark. */
  readonly bare?: (cursor: Cursor, tools: Tools) => Parse<boolean>;
}

const NAME = /^[\w.:-]+/;

/**
 * `<tool_call>{"name": …, "arguments": {…}}</tool_call>`: Hermes 2 and 3, Qwen 2.5 and 3, and those trained like them. Some
 * write tags inside in place of JSON.
 */
const hermes: CallFamily = {
  marks: ["<tool_call>"],
  *calls(cursor, tools) {
    for (let count = 0; ; count++) {
      yield* cursor.spaces();
      if (count > 0 && (yield* cursor.word("</tool_call>"))) {
        cursor.drop();
        return true;
      }
      if (!(yield* hermesCall(cursor, tools))) return count > 0;
    }
  },
};

function* hermesCall(cursor: Cursor, tools: Tools): Parse<boolean> {
  if (yield* cursor.word("<function=")) return yield* functionCall(cursor, tools);
  if (!(yield* cursor.comes(["{"]))) return yield* keyedCall(cursor, tools);
  const call = callOf(yield* cursor.json());
  if (!call) return false;
  cursor.drop();
  yield { type: "call", call };
  return true;
}

/** What a call's JSON may begin with: everything else is an answer in JSON. */
const LLAMA_KEYS = ['"name"', '"parameters"', '"arguments"', '"type"', '"function"', '"id"'];

/**
 * `{"name": …, "parameters": {…}}`, after `<|python_tag|>` or as the whole answer, and more of them after a semicolon: Llama
 * 3.1 to 3.3. Without the mark only the names of tools that were given tell a call from an answer in JSON.
 */
const llama: CallFamily = {
  marks: ["<|python_tag|>"],
  *calls(cursor) {
    yield* cursor.spaces();
    return yield* llamaCalls(cursor, undefined);
  },
  *bare(cursor, tools) {
    yield* cursor.spaces();
    return yield* llamaCalls(cursor, tools);
  },
};

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
    if (yield* cursor.word("[")) return yield* mistralList(cursor);
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

function* mistralList(cursor: Cursor): Parse<boolean> {
  for (let count = 0; ; count++) {
    yield* cursor.spaces();
    const call = callOf(yield* cursor.json());
    if (!call) return count > 0;
    cursor.drop();
    yield { type: "call", call };
    yield* cursor.spaces();
    const next = yield* cursor.oneOf([",", "]"]);
    if (next === "]") cursor.drop();
    if (next !== ",") return true;
  }
}

/** Its tokens are written in several ways by what was trained on its answers. */
const deepseekMarks = (text: string): readonly string[] =>
  ["▁", "_", " ", "\\_"].map((space) => `<｜${text.replaceAll(" ", space)}｜>`);

const DEEPSEEK = {
  callsBegin: deepseekMarks("tool calls begin"),
  callsEnd: deepseekMarks("tool calls end"),
  callBegin: deepseekMarks("tool call begin"),
  callEnd: deepseekMarks("tool call end"),
  separator: deepseekMarks("tool sep"),
};

/**
 * Between its tokens, `function<sep>name`, a line end and the arguments in a block of Markdown (V3 and R1), or
 * `name<sep>{…}` (V3.1).
 */
const deepseek: CallFamily = {
  marks: [...DEEPSEEK.callsBegin, ...DEEPSEEK.callBegin],
  *calls(cursor, _tools, mark) {
    const begun = DEEPSEEK.callBegin.includes(mark);
    for (let count = 0; ; count++) {
      yield* cursor.spaces();
      if (count > 0 && (yield* cursor.oneOf(DEEPSEEK.callsEnd))) {
        cursor.drop();
        return true;
      }
      const isCall = (begun && count === 0) || (yield* cursor.oneOf(DEEPSEEK.callBegin));
      if (!isCall || !(yield* deepseekCall(cursor))) return count > 0;
      yield* cursor.spaces();
      if (yield* cursor.oneOf(DEEPSEEK.callEnd)) cursor.drop();
    }
  },
};

function* deepseekCall(cursor: Cursor): Parse<boolean> {
  const before = yield* cursor.run(NAME);
  if (!(yield* cursor.oneOf(DEEPSEEK.separator))) return false;
  const after = yield* cursor.run(NAME);
  yield* cursor.spaces();
  const fenced = yield* cursor.word("```json");
  yield* cursor.spaces();
  const call = namedCall(after === "" ? before : after, yield* cursor.json());
  if (!call || call.name === "") return false;
  cursor.drop();
  yield { type: "call", call };
  if (!fenced) return true;
  yield* cursor.spaces();
  if (yield* cursor.word("```")) cursor.drop();
  return true;
}

/** Harmony is more than calls: see `harmony.ts`. */
export const CALL_FAMILIES: Readonly<Partial<Record<CallFormat, CallFamily>>> = {
  hermes,
  llama,
  mistral,
  deepseek,
};
