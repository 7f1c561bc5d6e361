/**
 * What llama.cpp's grammars are made of: texts, classes of characters, and how they go together. A choice without options is
 * what nothing matches; `grammar-rules.ts` takes it out again, since GBNF has no word for it.
 */
export type Expression =
  | { readonly kind: "text"; readonly text: string }
  /** In GBNF's own form, with its brackets. */
  | { readonly kind: "class"; readonly source: string }
  | { readonly kind: "rule"; readonly name: string }
  | { readonly kind: "sequence"; readonly parts: readonly Expression[] }
  | { readonly kind: "choice"; readonly options: readonly Expression[] }
  | Repetition;

export interface Repetition {
  readonly kind: "repetition";
  readonly of: Expression;
  readonly least: number;
  /** Without an end if there is none. */
  readonly most: number | undefined;
}

export const NOTHING: Expression = { kind: "choice", options: [] };
export const EMPTY: Expression = { kind: "text", text: "" };

export function text(text: string): Expression {
  return { kind: "text", text };
}

export function characters(source: string): Expression {
  return { kind: "class", source };
}

/** Texts beside each other become one. */
export function sequence(...parts: readonly Expression[]): Expression {
  const joined: Expression[] = [];
  for (const part of parts.flatMap((part) => (part.kind === "sequence" ? part.parts : [part]))) {
    const last = joined.at(-1);
    if (part.kind === "text" && part.text === "") continue;
    if (part.kind === "text" && last?.kind === "text") joined.push(text(take(joined) + part.text));
    else joined.push(part);
  }
  return joined.length === 1 ? (joined[0] ?? EMPTY) : { kind: "sequence", parts: joined };
}

function take(joined: Expression[]): string {
  const last = joined.pop();
  return last?.kind === "text" ? last.text : "";
}

export function choice(...options: readonly Expression[]): Expression {
  return options.length === 1 ? (options[0] ?? NOTHING) : { kind: "choice", options };
}

export function repetition(of: Expression, least: number, most?: number): Expression {
  if (least === 1 && most === 1) return of;
  return most === 0 ? EMPTY : { kind: "repetition", of, least, most };
}

export function optional(of: Expression): Expression {
  return repetition(of, 0, 1);
}

/** As the right side of a rule. */
export function print(expression: Expression): string {
  switch (expression.kind) {
    case "text":
      return `"${expression.text.replaceAll(UNPRINTABLE, escaped)}"`;
    case "class":
      return expression.source;
    case "rule":
      return expression.name;
    case "sequence":
      return expression.parts.length === 0 ? '""' : expression.parts.map(printPart).join(" ");
    case "choice":
      return expression.options.map(print).join(" | ");
    case "repetition":
      return `${printUnit(expression.of)}${timesOf(expression)}`;
  }
}

function printPart(part: Expression): string {
  return part.kind === "choice" ? `(${print(part)})` : print(part);
}

/** What a repetition repeats is one symbol: of a text of several characters llama.cpp would repeat all, other readers the last. */
function printUnit(unit: Expression): string {
  return unit.kind === "class" || unit.kind === "rule" ? print(unit) : `(${print(unit)})`;
}

function timesOf({ least, most }: Repetition): string {
  if (most === undefined) return least === 0 ? "*" : least === 1 ? "+" : `{${least},}`;
  if (least === 0 && most === 1) return "?";
  return least === most ? `{${least}}` : `{${least},${most}}`;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: those are what GBNF cannot show
const UNPRINTABLE = /["\\\u0000-\u001f\u007f]/g;

function escaped(character: string): string {
  if (character === '"' || character === "\\") return `\\${character}`;
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0").toUpperCase()}`;
}
