/** What a value begins with: JSON and Python's dicts, or the arguments of a call as Python writes it. */
export type Opening = "{" | "(";

const OPENING = /[{[(]/;
const CLOSING = /[}\])]/;
const SPACE = /\s/;
/** What stands before a string that begins; elsewhere a quote is one of an ordinary text. */
const BEFORE_STRING = /[{[(,:=]/;
/** All that stands outside of strings (RFC 8259, and Python's keywords); words and numbers are left to the parser. */
const LEGAL: Readonly<Record<Opening, RegExp>> = { "{": /[\s:,\w.+-]/, "(": /[\s:,\w.+=-]/ };
const BRACKETS: Readonly<Record<Opening, RegExp>> = { "{": /[{}[\]]/, "(": /[{}[\]()]/ };
/** Python's strings in three quotes. */
const TRIPLE = 3;

/**
 * Finds the end of an object or of a call's arguments in text that comes bit by bit, each character looked at once. Whether it
 * is one, a parser says; but text that can be none is known as soon as it shows.
 */
export class ValueScan {
  readonly #opening: Opening;
  #depth = 0;
  /** What ends the string that this is inside of; empty outside. */
  #quote = "";
  /** Of how many such quotes the string's end is, and how many of them have come. */
  #quotes = 1;
  #closing = 0;
  /** Nothing of the string has come yet. */
  #isFresh = false;
  #escaped = false;
  /** The last character that is no space; of a string, its quote. */
  #last = "";

  constructor(opening: Opening = "{") {
    this.#opening = opening;
  }

  /** How much of the text belongs to the value, and how it stands with it then. */
  scan(text: string): { readonly length: number; readonly state: "open" | "whole" | "broken" } {
    for (let at = 0; at < text.length; at++) {
      const state = this.#look(text.charAt(at));
      if (state === "whole") return { length: at + 1, state };
      if (state === "broken") return { length: at, state };
    }
    return { length: text.length, state: "open" };
  }

  #look(char: string): "open" | "whole" | "broken" {
    if (this.#quote !== "") return this.#inString(char);
    if (this.#depth === 0 && char !== this.#opening) return "broken";
    if (this.#opening === "(" && this.#isFresh && char === this.#last) return this.#triple(char);
    this.#isFresh = false;
    if (SPACE.test(char)) return "open";
    const before = this.#last;
    this.#last = char;
    if (char === '"' || char === "'") {
      if (!BEFORE_STRING.test(before)) return "broken";
      this.#begin(char, 1);
    } else if (!BRACKETS[this.#opening].test(char)) {
      return LEGAL[this.#opening].test(char) ? "open" : "broken";
    } else if (OPENING.test(char)) this.#depth++;
    else if (CLOSING.test(char)) return --this.#depth === 0 ? "whole" : "open";
    return "open";
  }

  #begin(quote: string, quotes: number): void {
    this.#quote = quote;
    this.#quotes = quotes;
    this.#closing = 0;
    this.#isFresh = quotes === 1;
    this.#escaped = false;
  }

  /** A third quote after an empty string. */
  #triple(char: string): "open" {
    this.#begin(char, TRIPLE);
    return "open";
  }

  #inString(char: string): "open" {
    const isQuote = char === this.#quote && !this.#escaped;
    this.#escaped = char === "\\" && !this.#escaped;
    this.#closing = isQuote ? this.#closing + 1 : 0;
    if (!isQuote) this.#isFresh = false;
    if (this.#closing === this.#quotes) this.#quote = "";
    return "open";
  }
}
