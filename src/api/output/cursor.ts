import type { OutputPart } from "./output-part.ts";
import { type Opening, ValueScan } from "./value-scan.ts";

/** A step of parsing: it yields parts, or undefined where it needs more text. */
export type Parse<T> = Generator<OutputPart | undefined, T, undefined>;

type TextKind = Exclude<OutputPart["type"], "call">;

/** What is held back of one call that may still become whole. */
export const HELD_CHARS_MAX = 262_144;
/** As many before a mark count as a part of it. */
const SPACES_MAX = 256;
const SPACES = /^\s+/;

/**
 * The text of an answer, as far as it has come. What was looked at is held until it is given out as text, or dropped because
 * something else was made of it. So nothing gets lost, and where the text was cut on its way makes no difference.
 */
export class Cursor {
  /** Looked at. */
  #held = "";
  /** Not yet looked at. */
  #next = "";
  #ended = false;

  add(text: string): void {
    this.#next += text;
  }

  end(): void {
    this.#ended = true;
  }

  get held(): string {
    return this.#held;
  }

  drop(): void {
    this.#held = "";
  }

  /** As if no more had been looked at than that. */
  back(length = 0): void {
    this.#next = this.#held.slice(length) + this.#next;
    this.#held = this.#held.slice(0, length);
  }

  /** What is held is text after all. */
  *give(type: TextKind): Parse<void> {
    const text = this.#held;
    this.#held = "";
    if (text !== "") yield { type, text };
  }

  /**
   * Gives out text up to the first of the marks, and holds that, with the spaces before it if they count as a part of it;
   * undefined when the text ends without one.
   */
  *textUntil(
    marks: readonly string[],
    type: TextKind,
    { withSpaces = false } = {},
  ): Parse<string | undefined> {
    for (;;) {
      const found = firstMark(this.#next, marks);
      const sure = found?.at ?? this.#next.length - heldLength(this.#next, marks);
      const clean = withSpaces ? lengthWithoutSpaces(this.#next.slice(0, sure)) : sure;
      this.#look(clean);
      yield* this.give(type);
      if (found) {
        this.#look(sure - clean + found.mark.length);
        return found.mark;
      }
      if (!(yield* this.#more())) {
        this.#look(this.#next.length);
        yield* this.give(type);
        return undefined;
      }
    }
  }

  /** Holds the word if it comes next. */
  *word(word: string): Parse<boolean> {
    return (yield* this.oneOf([word])) !== undefined;
  }

  /** Holds the one of these words that comes next. */
  *oneOf(words: readonly string[]): Parse<string | undefined> {
    const found = yield* this.comes(words);
    this.#look(found?.length ?? 0);
    return found;
  }

  /** Which of these words comes next. None of them begins another. */
  *comes(words: readonly string[]): Parse<string | undefined> {
    for (;;) {
      const found = words.find((word) => this.#next.startsWith(word));
      if (found !== undefined) return found;
      if (!words.some((word) => word.startsWith(this.#next))) return undefined;
      if (!(yield* this.#more())) return undefined;
    }
  }

  /** Holds what comes before the word, and the word; undefined when it does not come soon enough. */
  *before(word: string, charsMax = HELD_CHARS_MAX): Parse<string | undefined> {
    const found = yield* this.upTo([word], charsMax);
    if (found) this.#look(word.length);
    return found?.text;
  }

  /** Holds what comes before the first of these words, which then comes next. */
  *upTo(
    words: readonly string[],
    charsMax = HELD_CHARS_MAX,
  ): Parse<{ readonly text: string; readonly word: string } | undefined> {
    let text = "";
    let left = Math.min(charsMax, this.#room);
    for (;;) {
      const found = firstMark(this.#next, words);
      const sure = found?.at ?? this.#next.length - heldLength(this.#next, words);
      text += this.#look(Math.min(sure, left));
      if (sure > left) return undefined;
      left -= sure;
      if (found) return { text, word: found.mark };
      if (!(yield* this.#more())) return undefined;
    }
  }

  /** Holds as many of the characters as come. */
  *run(chars: RegExp): Parse<string> {
    let text = "";
    do {
      const some = chars.exec(this.#next.slice(0, this.#room))?.[0] ?? "";
      text += this.#look(some.length);
    } while (this.#next === "" && this.#room > 0 && (yield* this.#more()));
    return text;
  }

  *spaces(): Parse<void> {
    yield* this.run(SPACES);
  }

  /** Whether no more text will come. */
  *isOver(): Parse<boolean> {
    return this.#next === "" && !(yield* this.#more());
  }

  /** Holds an object, or the arguments of a call, as text; undefined when what comes is none, or is too long. */
  *value(opening: Opening = "{"): Parse<string | undefined> {
    let text = "";
    const scan = new ValueScan(opening);
    for (;;) {
      const { length, state } = scan.scan(this.#next.slice(0, this.#room));
      text += this.#look(length);
      if (state === "whole") return text;
      if (state === "broken" || this.#room === 0 || !(yield* this.#more())) return undefined;
    }
  }

  get #room(): number {
    return Math.max(0, HELD_CHARS_MAX - this.#held.length);
  }

  /** What was looked at grows by that much, which is also returned: to cut it out of what is held would copy all of that. */
  #look(length: number): string {
    const text = this.#next.slice(0, length);
    this.#held += text;
    this.#next = this.#next.slice(length);
    return text;
  }

  /** False when nothing more will come. */
  *#more(): Parse<boolean> {
    const { length } = this.#next;
    while (this.#next.length === length) {
      if (this.#ended) return false;
      yield undefined;
    }
    return true;
  }
}

function firstMark(
  text: string,
  marks: readonly string[],
): { readonly mark: string; readonly at: number } | undefined {
  let first: { readonly mark: string; readonly at: number } | undefined;
  for (const mark of marks) {
    const at = text.indexOf(mark);
    if (at >= 0 && at < (first?.at ?? Number.POSITIVE_INFINITY)) first = { mark, at };
  }
  return first;
}

/** The length of the longest end of the text that a mark begins with. */
function heldLength(text: string, marks: readonly string[]): number {
  let longest = 0;
  for (const mark of marks) {
    for (let length = Math.min(mark.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(mark.slice(0, length))) longest = length;
    }
  }
  return longest;
}

function lengthWithoutSpaces(text: string): number {
  return Math.max(text.trimEnd().length, text.length - SPACES_MAX);
}
