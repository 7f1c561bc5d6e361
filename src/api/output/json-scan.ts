const OPENING = /[{[]/;
const CLOSING = /[}\]]/;
/** All that JSON has outside of strings (RFC 8259); words and numbers are left to the parser. */
const LEGAL = /[\s:,\w.+-]/;

/**
 * Finds the end of a JSON object in text that comes bit by bit, each character looked at once. Whether it is one, a
 * parser says; but text that can be none is known as soon as it shows.
 */
export class JsonScan {
  #depth = 0;
  #inString = false;
  #escaped = false;

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
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (char === "\\") this.#escaped = true;
      else if (char === '"') this.#inString = false;
      return "open";
    }
    if (this.#depth === 0 && char !== "{") return "broken";
    if (OPENING.test(char)) this.#depth++;
    else if (char === '"') this.#inString = true;
    else if (CLOSING.test(char)) return --this.#depth === 0 ? "whole" : "open";
    else if (!LEGAL.test(char)) return "broken";
    return "open";
  }
}
