import {
  characters,
  choice,
  EMPTY,
  type Expression,
  optional,
  repetition,
  sequence,
  text,
} from "./gbnf.ts";
import type { GrammarRules, Rule } from "./grammar-rules.ts";
import { DIGITS_MAX, digits } from "./integer-range.ts";
import { FRACTION_DIGITS_MAX } from "./number-range.ts";

/** Spaces and tabs in front of a line: models that write nothing else would never end. */
const INDENT_MAX = 20;
/** Larger ones are infinite to decoders, which some refuse. */
const EXPONENT_DIGITS_MAX = 2;

export const COMMA = text(",");
export const QUOTE = text('"');

export interface Member {
  /** With its quotes. */
  readonly key: Rule;
  readonly value: Rule;
}

/** JSON's own rules, of any value, each added when it is asked for. */
export class JsonRules {
  readonly #rules: GrammarRules;
  readonly #known = new Map<string, Rule>();

  constructor(rules: GrammarRules) {
    this.#rules = rules;
  }

  /** Between tokens. */
  get space(): Rule {
    return this.#once("space", () => choice(EMPTY, text(" "), INDENTED_LINE));
  }

  get character(): Rule {
    return this.#once("character", () => CHARACTER);
  }

  string(least = 0, most?: number): Rule {
    const content = repetition(this.character, least, most);
    return this.#once(`string ${least} ${most}`, () => sequence(QUOTE, content, QUOTE));
  }

  get number(): Rule {
    return this.#once("number", () => NUMBER);
  }

  get boolean(): Rule {
    return this.#once("boolean", () => choice(text("true"), text("false")));
  }

  /** Any value at all. */
  get value(): Rule {
    const known = this.#known.get("value");
    if (known) return known;
    const value = this.#rules.reserve();
    this.#known.set("value", value);
    const scalars = [this.string(), this.number, this.boolean, text("null")];
    const anyObject = this.object({ key: this.string(), value });
    const options = [anyObject, this.list(value, 0, undefined), ...scalars];
    this.#rules.defineAlternatives(value, options);
    return value;
  }

  /** With any number of any of the members. */
  object(...members: readonly Member[]): Rule {
    const options = members.map(({ key, value }) => sequence(key, this.colon, value));
    const any = { least: 0, most: undefined };
    return this.#rules.add(this.#between("{", choice(...options), any, "}"));
  }

  list(entry: Rule, least: number, most: number | undefined): Rule {
    return this.#rules.add(this.#between("[", entry, { least, most }, "]"));
  }

  get colon(): Expression {
    return sequence(text(":"), this.space);
  }

  get comma(): Expression {
    return sequence(COMMA, this.space);
  }

  #once(name: string, make: () => Expression): Rule {
    const known = this.#known.get(name);
    if (known) return known;
    const rule = this.#rules.add(make());
    this.#known.set(name, rule);
    return rule;
  }

  #between(
    open: string,
    entry: Expression,
    { least, most }: { readonly least: number; readonly most: number | undefined },
    close: string,
  ): Expression {
    const unit = this.#rules.add(sequence(this.comma, entry));
    const further = repetition(unit, Math.max(0, least - 1), most && most - 1);
    // A rule, since llama.cpp counts what a repetition inside another one would come to.
    const entries = this.#rules.add(sequence(entry, further, this.space));
    const inside = most === 0 ? EMPTY : least === 0 ? optional(entries) : entries;
    return sequence(text(open), this.space, inside, text(close));
  }
}

const INDENTED_LINE = sequence(text("\n"), repetition(characters("[ \\t]"), 0, INDENT_MAX));

export function hex(count: number): Expression {
  return repetition(characters("[0-9A-Fa-f]"), count, count);
}

/** One character of a string; half a pair of surrogates, which no decoder takes, only with the other half. */
const CHARACTER = choice(
  characters("[^\\x00-\\x1F\\x22\\x5C\\x7F]"),
  sequence(text("\\"), characters("[\\x22\\\\/bfnrt]")),
  sequence(text("\\u"), characters("[0-9A-CE-Fa-ce-f]"), hex(3)),
  sequence(text("\\u"), characters("[Dd]"), characters("[0-7]"), hex(2)),
  sequence(
    ...[text("\\u"), characters("[Dd]"), characters("[89ABab]"), hex(2)],
    ...[text("\\u"), characters("[Dd]"), characters("[C-Fc-f]"), hex(2)],
  ),
);

const FRACTION = sequence(text("."), digits(1, FRACTION_DIGITS_MAX));
const EXPONENT = sequence(
  characters("[eE]"),
  optional(characters("[-+]")),
  digits(1, EXPONENT_DIGITS_MAX),
);
const POSITIVE = choice(
  sequence(characters("[1-9]"), digits(0, DIGITS_MAX - 1), optional(FRACTION)),
  sequence(text("0"), FRACTION),
);
const NUMBER = choice(text("0"), sequence(optional(text("-")), POSITIVE, optional(EXPONENT)));
