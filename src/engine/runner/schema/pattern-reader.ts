import {
  type CharacterSet,
  complementOf,
  DIGITS,
  LINE_ENDS,
  SPACE,
  single,
  unionOf,
  WORD,
} from "./character-set.ts";

/** A regular expression in the part of ECMAScript's syntax that a grammar can say. */
export type PatternNode =
  | { readonly kind: "set"; readonly set: CharacterSet }
  | { readonly kind: "sequence"; readonly parts: readonly PatternNode[] }
  | { readonly kind: "choice"; readonly options: readonly PatternNode[] }
  | {
      readonly kind: "repetition";
      readonly of: PatternNode;
      readonly least: number;
      readonly most: number | undefined;
    };

const GROUP_DEPTH_MAX = 50;
const CLASSES: ReadonlyMap<string, CharacterSet> = new Map([
  ["d", DIGITS],
  ["D", complementOf(DIGITS)],
  ["w", WORD],
  ["W", complementOf(WORD)],
  ["s", SPACE],
  ["S", complementOf(SPACE)],
]);
const CONTROLS: ReadonlyMap<string, number> = new Map([
  ["n", 0x0a],
  ["r", 0x0d],
  ["t", 0x09],
  ["f", 0x0c],
  ["v", 0x0b],
  ["0", 0],
]);
const COUNTS = /^\{(\d{1,9})(?:(,)(\d{1,9})?)?\}/;
const HEX = /^(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\})/;
const GROUP_HEAD = /^\(\?(?::|<[A-Za-z_]\w*>)/;

/** Thrown and caught in this file: a pattern that cannot be said is no error. */
class NotSaid extends Error {}

/** Reads one pattern, from its beginning to its end. */
export class PatternReader {
  #rest: string;

  constructor(pattern: string) {
    this.#rest = pattern;
  }

  /** What stands between ^ and $. Undefined when a part of the pattern is none of the above. */
  read(): PatternNode | undefined {
    try {
      const options: PatternNode[] = [];
      do {
        if (!this.#take("^")) return undefined;
        options.push(this.#sequence(0));
        if (!this.#take("$")) return undefined;
      } while (this.#take("|"));
      return this.#rest === "" ? { kind: "choice", options } : undefined;
    } catch (error) {
      if (error instanceof NotSaid) return undefined;
      throw error;
    }
  }

  #take(start: string): boolean {
    if (!this.#rest.startsWith(start)) return false;
    this.#rest = this.#rest.slice(start.length);
    return true;
  }

  #takeMatch(expression: RegExp): RegExpExecArray | undefined {
    const match = expression.exec(this.#rest) ?? undefined;
    this.#rest = this.#rest.slice(match?.[0].length ?? 0);
    return match;
  }

  #character(): number {
    const codePoint = this.#rest.codePointAt(0);
    if (codePoint === undefined) throw new NotSaid();
    this.#rest = this.#rest.slice(String.fromCodePoint(codePoint).length);
    return codePoint;
  }

  #sequence(depth: number): PatternNode {
    const parts: PatternNode[] = [];
    while (this.#rest !== "" && !/^[|)$]/.test(this.#rest)) parts.push(this.#repeated(depth));
    return { kind: "sequence", parts };
  }

  #repeated(depth: number): PatternNode {
    const of = this.#atom(depth);
    const times = this.#times();
    if (!times) return of;
    this.#take("?"); // Lazy or not, what matches is the same.
    if (this.#times()) throw new NotSaid();
    return { kind: "repetition", of, ...times };
  }

  #times(): { readonly least: number; readonly most: number | undefined } | undefined {
    if (this.#take("*")) return { least: 0, most: undefined };
    if (this.#take("+")) return { least: 1, most: undefined };
    if (this.#take("?")) return { least: 0, most: 1 };
    const counts = this.#takeMatch(COUNTS);
    if (!counts) return undefined;
    const [, least, comma, most] = counts;
    const end = comma === undefined ? least : most;
    return { least: Number(least), most: end === undefined ? undefined : Number(end) };
  }

  #atom(depth: number): PatternNode {
    if (this.#rest.startsWith("(")) return this.#group(depth);
    if (this.#take("[")) return { kind: "set", set: this.#class() };
    if (this.#take(".")) return { kind: "set", set: complementOf(LINE_ENDS) };
    if (this.#take("\\")) return { kind: "set", set: this.#escape() };
    if (/^[*+?^]/.test(this.#rest) || COUNTS.test(this.#rest)) throw new NotSaid();
    return { kind: "set", set: single(this.#character()) };
  }

  #group(depth: number): PatternNode {
    if (depth >= GROUP_DEPTH_MAX) throw new NotSaid();
    const hasHead = this.#takeMatch(GROUP_HEAD) !== undefined;
    if (!hasHead && (!this.#take("(") || this.#rest.startsWith("?"))) throw new NotSaid();
    const options: PatternNode[] = [];
    do options.push(this.#sequence(depth + 1));
    while (this.#take("|"));
    if (!this.#take(")")) throw new NotSaid();
    return { kind: "choice", options };
  }

  #class(): CharacterSet {
    const isNegated = this.#take("^");
    const sets: CharacterSet[] = [];
    while (!this.#take("]")) {
      const first = this.#classMember();
      const isRange = this.#rest.startsWith("-") && !this.#rest.startsWith("-]");
      if (!isRange) {
        sets.push(first);
        continue;
      }
      this.#take("-");
      sets.push(rangeOf(first, this.#classMember()));
    }
    const union = unionOf(sets.flat());
    return isNegated ? complementOf(union) : union;
  }

  #classMember(): CharacterSet {
    if (this.#take("\\b")) return single(0x08);
    return this.#take("\\") ? this.#escape() : single(this.#character());
  }

  /** What a backslash stands in front of. */
  #escape(): CharacterSet {
    const hex = this.#takeMatch(HEX);
    if (hex) return escapedCharacter(Number.parseInt(hex[1] ?? hex[2] ?? hex[3] ?? "", 16));
    const letter = String.fromCodePoint(this.#character());
    const known = CLASSES.get(letter);
    if (known) return known;
    const control = CONTROLS.get(letter);
    if (letter === "0" && /^\d/.test(this.#rest)) throw new NotSaid();
    if (control !== undefined) return single(control);
    // Letters and digits mean something (a boundary, a property, a group), or nothing that we know.
    if (/[A-Za-z0-9]/.test(letter)) throw new NotSaid();
    return single(letter.codePointAt(0) ?? 0);
  }
}

/** Halves of a pair have no set of their own. */
function escapedCharacter(codePoint: number): CharacterSet {
  if (codePoint > 0x10ffff || (codePoint >= 0xd800 && codePoint <= 0xdfff)) throw new NotSaid();
  return single(codePoint);
}

function rangeOf([first]: CharacterSet, [last]: CharacterSet): CharacterSet {
  const isSingle = first && last && first[0] === first[1] && last[0] === last[1];
  if (!isSingle || first[0] > last[0]) throw new NotSaid();
  return [[first[0], last[0]]];
}
