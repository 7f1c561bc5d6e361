import { printSet, unionOf } from "./character-set.ts";
import {
  characters,
  choice,
  type Expression,
  NOTHING,
  optional,
  repetition,
  sequence,
  text,
} from "./gbnf.ts";
import type { GrammarRules, Rule } from "./grammar-rules.ts";
import { type JsonRules, QUOTE } from "./json-rules.ts";

export interface Property {
  readonly name: string;
  readonly value: Rule;
  readonly isRequired: boolean;
}

interface ObjectShape {
  /** At least one, in the order in which they are written. */
  readonly properties: readonly Property[];
  /** What other keys have, which come last; undefined where there are none. */
  readonly additional: Rule | undefined;
}

/**
 * Two rules a property, from the last to the first, so that any number of optional ones stays linear: what may follow the
 * quote that opens a key (this property and what comes after it, or, when it is optional, what may follow without it), and what
 * may follow the properties before it (nothing if no required one is left, or a comma and a quote, and then the former). So
 * a comma and a quote are never read in as many ways as there are properties left.
 */
export function objectGrammar(
  { properties, additional }: ObjectShape,
  json: JsonRules,
  rules: GrammarRules,
): Expression {
  const nextKey = sequence(json.comma, QUOTE);
  const names = properties.map(({ name }) => name);
  let key: Expression = NOTHING;
  let tail: Expression = sequence();
  if (additional) {
    const other = rules.add(sequence(otherKey(names, json, rules), json.colon, additional));
    tail = repetition(rules.add(sequence(nextKey, other)), 0);
    key = sequence(other, tail);
  }
  let isRequired = false;
  for (const property of properties.toReversed()) {
    const member = sequence(keyText(property.name), json.colon, property.value, tail);
    const isLast = key === NOTHING;
    key = rules.add(property.isRequired || isLast ? member : choice(member, rules.add(key)));
    isRequired ||= property.isRequired;
    const next = sequence(nextKey, key);
    tail = rules.add(isRequired ? next : optional(next));
  }
  const members = key === NOTHING ? sequence() : sequence(QUOTE, key, json.space);
  return sequence(...[text("{"), json.space, isRequired ? members : optional(members), text("}")]);
}

/** Without the quote that opens it. */
function keyText(name: string): Expression {
  return text(JSON.stringify(name).slice(1));
}

/** A key as its characters and escapes. */
type Units = readonly string[];
const UNIT = /\\u[0-9a-f]{4}|\\.|[^\\]/gsu;
const ESCAPES = ['\\"', "\\\\", "\\b", "\\f", "\\n", "\\r", "\\t"];

/**
 * A key that is none of the names, without the quote that opens it: where it leaves the last name that it could have become,
 * anything may follow. Up to there characters have one spelling, or a name could be written in escapes.
 */
function otherKey(names: readonly string[], json: JsonRules, rules: GrammarRules): Expression {
  const rest = rules.add(sequence(repetition(json.character, 0), QUOTE));
  let level: readonly { readonly rule: Rule; readonly names: readonly Units[] }[] = [
    { rule: rules.reserve(), names: names.map(unitsOf) },
  ];
  const start = level[0]?.rule ?? rest;
  for (let at = 0; level.length > 0; at++) {
    level = level.flatMap((node) => {
      const groups = Map.groupBy(node.names, (units) => units[at] ?? "");
      const isName = groups.delete("");
      const next = Array.from(groups, ([unit, names]) => ({ unit, rule: rules.reserve(), names }));
      const options = next.map(({ unit, rule }) => sequence(text(unit), rule));
      if (!isName) options.push(QUOTE);
      for (const unit of otherUnits([...groups.keys()])) options.push(sequence(unit, rest));
      rules.define(node.rule, choice(...options));
      return next;
    });
  }
  return start;
}

function unitsOf(name: string): Units {
  return JSON.stringify(name).slice(1, -1).match(UNIT) ?? [];
}

/** Characters and escapes but those. */
function otherUnits(units: readonly string[]): readonly Expression[] {
  const taken = units.filter((unit) => !unit.startsWith("\\"));
  const excluded = [0x22, 0x5c, 0x7f, ...taken.map((unit) => unit.codePointAt(0) ?? 0)];
  const ranges = excluded.map((codePoint) => [codePoint, codePoint] as const);
  const plain = characters(`[^${printSet(unionOf([[0, 0x1f], ...ranges]))}]`);
  return [plain, ...ESCAPES.filter((one) => !units.includes(one)).map(text)];
}
