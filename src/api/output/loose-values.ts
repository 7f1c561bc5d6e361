import { define } from "./define.ts";
import { numberOf } from "./exact-json.ts";

type Values = Readonly<Record<string, unknown>>;

/** Deeper ones are no arguments of anybody's. */
const DEPTH_MAX = 100;
const SPACES = /\s*/y;
const NUMBER = /[+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])/y;
const WORD = /[A-Za-z_][\w.-]*/y;
/** A key, or a value without quotes, among a family's own marks of strings. */
const BARE = /[^\s,:{}[\]][^,:{}[\]]*/y;
const BARE_VALUE = /[^\s,{}[\]][^,{}[\]]*/y;
const WORDS: ReadonlyMap<string, boolean | null> = new Map([
  ...([
    ["true", true],
    ["True", true],
    ["false", false],
    ["False", false],
  ] as const),
  ...([
    ["null", null],
    ["None", null],
  ] as const),
]);
const ESCAPES: Readonly<Record<string, string>> = {
  ...{ n: "\n", t: "\t", r: "\r", b: "\b", f: "\f", v: "\v", "0": "\0", "\n": "" },
  ...{ "\\": "\\", "'": "'", '"': '"', "/": "/" },
};
const CODE = /x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})/y;
const CODE_POINT_MAX = 0x10ffff;

/**
 * The object that a text is when read as loosely as models write: JSON with line ends in its strings and a comma too many, or
 * a dict of Python's. Undefined when it is none even so.
 */
export function looseObject(text: string): Values | undefined {
  return read(text, (reader) => reader.object());
}

/** The same of a list, too. */
export function looseCollection(text: string): Values | readonly unknown[] | undefined {
  return read(text, (reader) => reader.collection());
}

/** `(city="Oslo", days=2)`; what has no name of its own takes those of `names`, in their order. */
export function pythonArguments(text: string, names: readonly string[]): Values | undefined {
  return read(text, (reader) => reader.arguments(names));
}

/** `{city:<mark>Oslo<mark>,days:2}`: an object whose strings stand between the marks, and keys without any. */
export function markedObject(text: string, mark: string): Values | undefined {
  return read(text, (reader) => reader.object(), mark);
}

/** What shows that the text is no value; it never leaves this file. */
class NoValue extends Error {}

function read<T>(text: string, of: (reader: Reader) => T, mark?: string): T | undefined {
  const reader = new Reader(text, mark);
  try {
    const value = of(reader);
    return reader.isOver ? value : undefined;
  } catch (error) {
    if (error instanceof NoValue) return undefined;
    throw error;
  }
}

class Reader {
  readonly #text: string;
  /** What strings stand between, where it is no quote. */
  readonly #mark: string | undefined;
  #at = 0;
  #depth = 0;

  constructor(text: string, mark: string | undefined) {
    this.#text = text;
    this.#mark = mark;
  }

  get isOver(): boolean {
    this.#match(SPACES);
    return this.#at === this.#text.length;
  }

  object(): Values {
    const values: Record<string, unknown> = {};
    this.#expect("{");
    this.#items("}", () => {
      const key = this.#key();
      this.#expect(":");
      define(values, key, this.#value());
    });
    return values;
  }

  collection(): Values | readonly unknown[] {
    this.#match(SPACES);
    return this.#text.charAt(this.#at) === "[" ? this.#list("[", "]") : this.object();
  }

  arguments(names: readonly string[]): Values {
    const values: Record<string, unknown> = {};
    let position = 0;
    this.#expect("(");
    this.#items(")", () => {
      const start = this.#at;
      const name = this.#match(WORD);
      const isNamed = name !== undefined && this.#takes("=");
      if (!isNamed) this.#at = start;
      const key = isNamed ? name : names[position++];
      if (key === undefined || Object.hasOwn(values, key)) throw new NoValue();
      define(values, key, this.#value());
    });
    return values;
  }

  #value(): unknown {
    const string = this.#string();
    if (string !== undefined) return string;
    const char = this.#text.charAt(this.#at);
    if (char === "{") return this.object();
    if (char === "[") return this.#list("[", "]");
    if (char === "(") return this.#list("(", ")");
    return this.#mark === undefined ? this.#literal() : this.#bareValue();
  }

  #literal(): unknown {
    const number = this.#match(NUMBER)?.replaceAll("_", "");
    const known = number ? numberOf(number) : WORDS.get(this.#match(WORD) ?? "");
    if (known === undefined) throw new NoValue();
    return known;
  }

  /** What has lost its marks is a text, unless it can be something else. */
  #bareValue(): unknown {
    const word = this.#match(BARE_VALUE)?.trim();
    if (word === undefined) throw new NoValue();
    const known = WORDS.get(word);
    if (known !== undefined) return known;
    return numberOf(word) ?? word;
  }

  #list(open: string, close: string): unknown[] {
    const values: unknown[] = [];
    this.#expect(open);
    this.#items(close, () => values.push(this.#value()));
    return values;
  }

  /** As many as there are, with a comma between them and perhaps one more. */
  #items(close: string, item: () => void): void {
    if (++this.#depth > DEPTH_MAX) throw new NoValue();
    while (!this.#takes(close)) {
      item();
      if (this.#takes(",")) continue;
      this.#expect(close);
      break;
    }
    this.#depth--;
  }

  #key(): string {
    const key =
      this.#string() ?? (this.#mark === undefined ? undefined : this.#match(BARE)?.trim());
    if (key === undefined) throw new NoValue();
    return key;
  }

  #string(): string | undefined {
    this.#match(SPACES);
    if (this.#mark !== undefined && this.#takes(this.#mark)) return this.#until(this.#mark);
    const quote = this.#text.charAt(this.#at);
    if (quote !== '"' && quote !== "'") return undefined;
    const end = this.#text.startsWith(quote.repeat(3), this.#at) ? quote.repeat(3) : quote;
    this.#at += end.length;
    let string = "";
    while (!this.#text.startsWith(end, this.#at)) {
      if (this.#at >= this.#text.length) throw new NoValue();
      string += this.#text.charAt(this.#at) === "\\" ? this.#escape() : this.#char();
    }
    this.#at += end.length;
    return string;
  }

  #until(mark: string): string {
    const end = this.#text.indexOf(mark, this.#at);
    if (end < 0) throw new NoValue();
    const string = this.#text.slice(this.#at, end);
    this.#at = end + mark.length;
    return string;
  }

  #char(): string {
    return this.#text.charAt(this.#at++);
  }

  /** One that means nothing stays as it stands, as in Python: models write regular expressions and Windows' paths. */
  #escape(): string {
    this.#at++;
    CODE.lastIndex = this.#at;
    const code = CODE.exec(this.#text);
    if (code) {
      const point = Number.parseInt(code[0].slice(1), 16);
      if (point > CODE_POINT_MAX) throw new NoValue();
      this.#at += code[0].length;
      return String.fromCodePoint(point);
    }
    const char = this.#char();
    return ESCAPES[char] ?? `\\${char}`;
  }

  #takes(word: string): boolean {
    this.#match(SPACES);
    const comes = this.#text.startsWith(word, this.#at);
    if (comes) this.#at += word.length;
    return comes;
  }

  #expect(word: string): void {
    if (!this.#takes(word)) throw new NoValue();
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) return undefined;
    this.#at += found.length;
    return found;
  }
}
