import { AppError } from "../../core/errors.ts";

/** What Go's encoding/json would say; always status 400. */
export class JsonError extends AppError<"JSON_INVALID"> {
  constructor(message: string) {
    super("JSON_INVALID", message);
  }
}

/** Go's decoder stops at this nesting (encoding/json, maxNestingDepth). */
const DEPTH_MAX = 10_000;
/** Each part of a number that has begun must have digits. */
const NUMBER = /(-?)(0|[1-9]\d*)?(?:(\.)(\d*))?(?:([eE][+-]?)(\d*))?/y;
const LITERALS = ["true", "false", "null"] as const;
const SPACE = /[ \t\r\n]*/y;

/**
 * The first JSON value of a text, as Go's json.Decoder reads it: what follows is ignored. Throws a JsonError with Go's
 * words for what is wrong.
 */
export function parseFirstValue(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const start = skipSpace(text, 0);
    if (start === text.length) throw new JsonError("EOF");
    return JSON.parse(text.slice(start, endOfValue(text, start)));
  }
  // JSON.parse itself knows no limit; whoever walks the value later may have no more stack than for this.
  if (bracketsBefore(text, DEPTH_MAX)) endOfValue(text, skipSpace(text, 0));
  return value;
}

/** True when the text holds more opening brackets than `count`: only then can it be nested as deep. */
function bracketsBefore(text: string, count: number): boolean {
  const brackets = /[{[]/g;
  for (let found = 0; brackets.test(text); found++) if (found >= count) return true;
  return false;
}

/** Walks without recursion, so that a deep body costs memory in proportion and no more. */
function endOfValue(text: string, start: number): number {
  const open: ("{" | "[")[] = [];
  let at = start;
  for (;;) {
    at = skipSpace(text, at);
    const opened = text[at];
    if (opened === "{" || opened === "[") {
      if (open.push(opened) > DEPTH_MAX) throw unexpected(text, at, "exceeded max depth");
      at = skipSpace(text, at + 1);
      const isEmpty = text[at] === (opened === "{" ? "}" : "]");
      if (!isEmpty) {
        if (opened === "{") at = endOfKey(text, at, "looking for beginning of object key string");
        continue;
      }
    } else {
      at = endOfScalar(text, at);
    }
    at = afterValue(text, at, open);
    if (open.length === 0) return at;
  }
}

/** Past closing brackets and one comma: where the next value begins, or the end when nothing is open. */
function afterValue(text: string, from: number, open: ("{" | "[")[]): number {
  let at = from;
  for (;;) {
    const innermost = open.at(-1);
    if (innermost === undefined) return at;
    at = skipSpace(text, at);
    const char = text[at];
    if (char === (innermost === "{" ? "}" : "]")) {
      open.pop();
      at++;
      continue;
    }
    const where = innermost === "{" ? "after object key:value pair" : "after array element";
    if (char !== ",") throw unexpected(text, at, where);
    if (innermost === "[") return at + 1;
    return endOfKey(text, skipSpace(text, at + 1), "looking for beginning of object key string");
  }
}

/** Past `"key":`. */
function endOfKey(text: string, at: number, where: string): number {
  if (text[at] !== '"') throw unexpected(text, at, where);
  const colon = skipSpace(text, endOfString(text, at));
  if (text[colon] !== ":") throw unexpected(text, colon, "after object key");
  return colon + 1;
}

function endOfScalar(text: string, at: number): number {
  if (text[at] === '"') return endOfString(text, at);
  if (/[-\d]/.test(text[at] ?? "")) return endOfNumber(text, at);
  for (const literal of LITERALS) {
    if (text[at] !== literal[0]) continue;
    for (let index = 1; index < literal.length; index++) {
      if (text[at + index] !== literal[index]) {
        const wanted = `in literal ${literal} (expecting '${literal[index]}')`;
        throw unexpected(text, at + index, wanted);
      }
    }
    return at + literal.length;
  }
  throw unexpected(text, at, "looking for beginning of value");
}

function endOfNumber(text: string, at: number): number {
  NUMBER.lastIndex = at;
  const [all, sign = "", whole = "", point, fraction = "", exponent, power] =
    NUMBER.exec(text) ?? [];
  if (whole === "") throw unexpected(text, at + sign.length, "in numeric literal");
  const afterPoint = at + sign.length + whole.length + 1;
  if (point !== undefined && fraction === "") {
    throw unexpected(text, afterPoint, "after decimal point in numeric literal");
  }
  const end = at + (all ?? "").length;
  if (exponent !== undefined && power === "") {
    throw unexpected(text, end, "in exponent of numeric literal");
  }
  return end;
}

function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const char = text[at] ?? "";
    if (char === '"') return at + 1;
    if (char < " ") throw unexpected(text, at, "in string literal");
    if (char !== "\\") continue;
    at++;
    const escaped = text[at];
    if (escaped === "u") {
      for (let digit = 1; digit <= 4; digit++) {
        if (!/[0-9a-fA-F]/.test(text[at + digit] ?? "")) {
          throw unexpected(text, at + digit, "in \\u hexadecimal character escape");
        }
      }
      at += 4;
    } else if (escaped === undefined || !'"\\/bfnrt'.includes(escaped)) {
      throw unexpected(text, at, "in string escape code");
    }
  }
  throw new JsonError("unexpected EOF");
}

function skipSpace(text: string, at: number): number {
  SPACE.lastIndex = at;
  SPACE.test(text);
  return SPACE.lastIndex;
}

function unexpected(text: string, at: number, where: string): JsonError {
  const char = text[at];
  if (char === undefined) return new JsonError("unexpected EOF");
  return new JsonError(`invalid character ${quoted(char)} ${where}`);
}

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  "\u0007": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
};

/** As Go's quoteChar. */
function quoted(char: string): string {
  if (char === "'") return "'\\''";
  if (char === '"') return "'\"'";
  if (char === "\\") return "'\\\\'";
  const short = SHORT_ESCAPES[char];
  if (short) return `'${short}'`;
  if (char >= " " && char !== "\u007f") return `'${char}'`;
  return `'\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}'`;
}
