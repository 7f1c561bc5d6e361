import { invalid } from "./errors.ts";

export type Token =
  | {
      readonly kind: "field" | "variable" | "word";
      readonly name: string;
      readonly spaced: boolean;
    }
  | { readonly kind: "literal"; readonly value: string | number; readonly spaced: boolean }
  | { readonly kind: "mark"; readonly mark: Mark; readonly spaced: boolean };
export type Mark = "." | "(" | ")" | "|" | "," | "=" | ":=";

export type Part =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "action"; readonly tokens: readonly Token[]; readonly line: number };

/** One after the other, each at most once at its place. */
const TOKENS =
  /(?<space>\s+)|(?<text>"(?:[^"\\\n]|\\.)*"|`[^`]*`)|(?<char>'(?:[^'\\\n]|\\.)+')|(?<number>[+-]?(?:0[xX][\da-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?))|\.(?<field>[\p{L}_][\p{L}\d_]*)|(?<variable>\$[\p{L}\d_]*)|(?<word>[\p{L}_][\p{L}\d_]*)|(?<mark>:=|[.()|,=])/uy;
const COMMENT = /\{\{(?<trim>- )?\s*\/\*[\s\S]*?\*\/\s*?(?<trimEnd> -)?\}\}/y;
const OPEN = "{{";

/** Text and actions, spaces trimmed where `{{-` and `-}}` say so (text/template, "Text and spaces"). */
export function partsOf(source: string): Part[] {
  const parts: Part[] = [];
  let at = 0;
  let trimNext = false;
  for (;;) {
    const open = source.indexOf(OPEN, at);
    const end = open < 0 ? source.length : open;
    const trimsBefore = open >= 0 && /^-\s/.test(source.slice(open + 2, open + 4));
    let text = source.slice(at, end);
    if (trimNext) text = text.trimStart();
    if (trimsBefore) text = text.trimEnd();
    if (text !== "") parts.push({ kind: "text", text });
    if (open < 0) return parts;
    COMMENT.lastIndex = open;
    const comment = COMMENT.exec(source);
    if (comment) {
      at = open + comment[0].length;
      trimNext = comment.groups?.["trimEnd"] !== undefined;
      continue;
    }
    const action = actionAt(source, open + (trimsBefore ? 3 : 2));
    parts.push({ kind: "action", tokens: action.tokens, line: lineOf(source, open) });
    at = action.end;
    trimNext = action.trimsAfter;
  }
}

interface Action {
  readonly tokens: readonly Token[];
  readonly end: number;
  readonly trimsAfter: boolean;
}

function actionAt(source: string, start: number): Action {
  const tokens: Token[] = [];
  let spaced = true;
  for (let at = start; at < source.length; ) {
    if (source.startsWith("}}", at)) return { tokens, end: at + 2, trimsAfter: false };
    if (spaced && source.startsWith("-}}", at)) return { tokens, end: at + 3, trimsAfter: true };
    TOKENS.lastIndex = at;
    const match = TOKENS.exec(source);
    if (!match) throw invalid(lineOf(source, at), unexpected(source, at));
    const { space, text, char, number, field, variable, word, mark } = match.groups ?? {};
    if (text !== undefined) tokens.push({ kind: "literal", value: stringOf(text), spaced });
    else if (char !== undefined) tokens.push({ kind: "literal", value: charOf(char), spaced });
    else if (number !== undefined) tokens.push({ kind: "literal", value: Number(number), spaced });
    else if (field !== undefined) tokens.push({ kind: "field", name: field, spaced });
    else if (variable !== undefined) tokens.push({ kind: "variable", name: variable, spaced });
    else if (word !== undefined) tokens.push({ kind: "word", name: word, spaced });
    else if (mark !== undefined) tokens.push({ kind: "mark", mark: markOf(mark), spaced });
    spaced = space !== undefined;
    at += match[0].length;
  }
  throw invalid(lineOf(source, start), "unclosed action");
}

function unexpected(source: string, at: number): string {
  const rest = source.slice(at);
  if (/^"/.test(rest)) return "unterminated quoted string";
  if (/^`/.test(rest)) return "unterminated raw quoted string";
  if (/^'/.test(rest)) return "unterminated character constant";
  return `unexpected ${JSON.stringify([...rest][0] ?? "")} in command`;
}

const MARKS: readonly Mark[] = [".", "(", ")", "|", ",", "=", ":="];

function markOf(text: string): Mark {
  const mark = MARKS.find((known) => known === text);
  if (!mark) throw new RangeError(`no mark: ${text}`);
  return mark;
}

const ESCAPES: Readonly<Record<string, string>> = {
  ...{ n: "\n", t: "\t", r: "\r", a: "\x07", b: "\b", f: "\f", v: "\v" },
};

function stringOf(literal: string): string {
  if (literal.startsWith("`")) return literal.slice(1, -1);
  return unescaped(literal.slice(1, -1));
}

function charOf(literal: string): number {
  return unescaped(literal.slice(1, -1)).codePointAt(0) ?? 0;
}

function unescaped(text: string): string {
  return text.replace(
    /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{3})|(.))/gs,
    (_all, x?: string, u?: string, long?: string, octal?: string, other = "") => {
      const hex = x ?? u ?? long;
      const code = hex !== undefined ? Number.parseInt(hex, 16) : Number.parseInt(octal ?? "", 8);
      if (Number.isNaN(code)) return ESCAPES[other] ?? other;
      return code <= 0x10ffff ? String.fromCodePoint(code) : "\ufffd";
    },
  );
}

export function lineOf(source: string, at: number): number {
  return source.slice(0, at).split("\n").length;
}
