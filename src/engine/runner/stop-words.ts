/**
 * Lets text through up to the first stop word. Text that may become a stop word is held back until it does or cannot, so
 * what has been let through is always a clean place to resume from.
 */
export class StopWords {
  readonly #words: readonly string[];
  #held = "";

  constructor(words: readonly string[]) {
    this.#words = words.filter((word) => word !== "");
  }

  push(text: string): { readonly text: string; readonly stopped: boolean } {
    const all = this.#held + text;
    const at = firstIndex(all, this.#words);
    if (at !== undefined) {
      this.#held = "";
      return { text: all.slice(0, at), stopped: true };
    }
    const clean = all.length - heldLength(all, this.#words);
    this.#held = all.slice(clean);
    return { text: all.slice(0, clean), stopped: false };
  }

  /** What was held back, once nothing follows. */
  flush(): string {
    const held = this.#held;
    this.#held = "";
    return held;
  }
}

function firstIndex(text: string, words: readonly string[]): number | undefined {
  const indexes = words.map((word) => text.indexOf(word)).filter((index) => index >= 0);
  return indexes.length === 0 ? undefined : Math.min(...indexes);
}

/** The length of the longest end of the text that a stop word begins with. */
function heldLength(text: string, words: readonly string[]): number {
  let longest = 0;
  for (const word of words) {
    for (let length = Math.min(word.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(word.slice(0, length))) longest = length;
    }
  }
  return longest;
}
