import { invalid } from "./errors.ts";
import { isSpace, withoutSpaceAtEnd } from "./space.ts";
import { unescaped } from "./string-literal.ts";
import { Float } from "./values.ts";

export type Token =
  | { readonly kind: "name"; readonly name: string; readonly line: number }
  | { readonly kind: "text"; readonly value: string; readonly line: number }
  | { readonly kind: "integer"; readonly value: number; readonly line: number }
  | { readonly kind: "float"; readonly value: Float | number; readonly line: number }
  | { readonly kind: "mark"; readonly mark: string; readonly line: number };

export type Part =
  | { readonly kind: "text"; readonly text: string }
  | {
      readonly kind: "output" | "statement";
      readonly tokens: readonly Token[];
      readonly line: number;
    };

/** What may begin, at the first place where one does; `raw` before a statement of another name. */
const OPEN = /(?<raw>\{%(?<rawSign>[-+]?)\s*raw\s*(?:-%\}\s*|%\}))|\{(?<mark>[%{#])(?<sign>[-+]?)/g;
const RAW_END = /\{%(?<sign>[-+]?)\s*endraw\s*(?:\+%\}|-%\}\s*|%\}\n?)/g;
const COMMENT_END = /\+#\}|-#\}\s*|#\}\n?/g;
const STATEMENT_END = /\+%\}|-%\}\s*|%\}\n?/y;
const OUTPUT_END = /-\}\}\s*|\}\}/y;

/** One after the other, each at most once at its place (jinja2/lexer.py). */
const TOKENS =
  /(?<space>\s+)|(?<float>(?<!\.)\d+(?:_\d+)*(?:(?:\.\d+(?:_\d+)*)?[eE][+-]?\d+(?:_\d+)*|\.\d+(?:_\d+)*))|(?<integer>0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0[xX](?:_?[\da-fA-F])+|[1-9](?:_?\d)*|0(?:_?0)*)|(?<name>[\p{L}\p{Nl}_][\p{L}\p{M}\p{N}_]*)|(?<text>'(?:[^'\\]|\\[\s\S])*'|"(?:[^"\\]|\\[\s\S])*")|(?<mark>\/\/|\*\*|[=!<>]=|[+\-/*%~[\](){}<>=.:|,;])/uy;

/** Text and actions, with the space taken away that `-`, trim_blocks and lstrip_blocks take away. */
export function partsOf(given: string): Part[] {
  return new Lexer(normalized(given)).parts();
}

/** As Jinja2 reads it: one kind of line end, and none at the end. */
function normalized(source: string): string {
  return source.replace(/\r\n?/g, "\n").replace(/\n$/, "");
}

class Lexer {
  readonly #source: string;
  readonly #parts: Part[] = [];
  #at = 0;
  #line = 1;
  #counted = 0;
  #startsLine = true;

  constructor(source: string) {
    this.#source = source;
  }

  parts(): Part[] {
    for (;;) {
      OPEN.lastIndex = this.#at;
      const open = OPEN.exec(this.#source);
      if (!open) break;
      const { raw, rawSign, mark, sign } = open.groups ?? {};
      this.#text(open.index, rawSign ?? sign ?? "", mark === "{");
      const start = open.index;
      this.#at = start + open[0].length;
      if (raw !== undefined) this.#raw(start);
      else if (mark === "#") this.#skip(COMMENT_END, start, "comment");
      else this.#action(mark === "{" ? "output" : "statement", start);
      this.#startsLine = this.#source[this.#at - 1] === "\n";
    }
    this.#push(this.#source.slice(this.#at));
    return this.#parts;
  }

  #push(text: string): void {
    if (text !== "") this.#parts.push({ kind: "text", text });
  }

  /** What stands before the next mark. */
  #text(end: number, sign: string, isOutput: boolean): void {
    const text = this.#source.slice(this.#at, end);
    if (sign === "-") this.#push(withoutSpaceAtEnd(text));
    else if (sign === "+" || isOutput) this.#push(text);
    else this.#push(this.#withoutIndent(text));
  }

  #withoutIndent(text: string): string {
    const lineStart = text.lastIndexOf("\n") + 1;
    if (lineStart === 0 && !this.#startsLine) return text;
    for (let at = lineStart; at < text.length; at++) if (!isSpace(text[at] ?? "")) return text;
    return text.slice(0, lineStart);
  }

  #raw(start: number): void {
    RAW_END.lastIndex = this.#at;
    const end = RAW_END.exec(this.#source);
    if (!end) throw invalid(this.#lineAt(start), "missing end of raw directive");
    this.#startsLine = this.#source[this.#at - 1] === "\n";
    this.#text(end.index, end.groups?.["sign"] ?? "", false);
    this.#at = end.index + end[0].length;
  }

  #skip(until: RegExp, start: number, what: string): void {
    until.lastIndex = this.#at;
    const end = until.exec(this.#source);
    if (!end) throw invalid(this.#lineAt(start), `missing end of ${what}`);
    this.#at = end.index + end[0].length;
  }

  #action(kind: "output" | "statement", start: number): void {
    const line = this.#lineAt(start);
    const tokens: Token[] = [];
    const open: string[] = [];
    const end = kind === "output" ? OUTPUT_END : STATEMENT_END;
    while (this.#at < this.#source.length) {
      end.lastIndex = this.#at;
      const ended = open.length === 0 ? end.exec(this.#source) : null;
      if (ended) {
        this.#at += ended[0].length;
        this.#parts.push({ kind, tokens, line });
        return;
      }
      const token = this.#token();
      if (!token) continue;
      tokens.push(token);
      if (token.kind === "mark") balance(token.mark, open, token.line);
    }
    throw invalid(line, "unexpected end of template");
  }

  /** Undefined of space. */
  #token(): Token | undefined {
    const line = this.#lineAt(this.#at);
    TOKENS.lastIndex = this.#at;
    const match = TOKENS.exec(this.#source);
    if (!match) throw invalid(line, `unexpected char ${JSON.stringify(this.#source[this.#at])}`);
    this.#at += match[0].length;
    const { float, integer, name, text, mark } = match.groups ?? {};
    if (name !== undefined) return { kind: "name", name, line };
    if (mark !== undefined) return { kind: "mark", mark, line };
    if (text !== undefined) return { kind: "text", value: unescaped(text.slice(1, -1)), line };
    if (integer !== undefined) {
      return { kind: "integer", value: Number(integer.replaceAll("_", "")), line };
    }
    if (float === undefined) return undefined;
    const number = Number(float.replaceAll("_", ""));
    return { kind: "float", value: Float.of(number), line };
  }

  /** Places only grow. */
  #lineAt(place: number): number {
    for (; this.#counted < place; this.#counted++) {
      if (this.#source.charCodeAt(this.#counted) === 10) this.#line++;
    }
    return this.#line;
  }
}

const CLOSED_BY: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };

function balance(mark: string, open: string[], line: number): void {
  const closing = CLOSED_BY[mark];
  if (closing !== undefined) open.push(closing);
  else if (/[)\]}]/.test(mark) && open.pop() !== mark) throw invalid(line, `unexpected '${mark}'`);
}
