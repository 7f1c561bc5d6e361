import { choice, type Expression, NOTHING, print, repetition, sequence } from "./gbnf.ts";
import { refuse } from "./schema-error.ts";

/** As text, before rules that nothing needs are left out. llama.cpp reads so much in half a second. */
const GRAMMAR_LENGTH_MAX = 2_000_000;
/** llama.cpp writes each repetition out: so many symbols in all. */
const REPEATED_SYMBOLS_MAX = 200_000;
/** Of all choices together, once choices between choices are one. */
const FLAT_OPTIONS_MAX = 100_000;

export type Rule = Expression & { readonly kind: "rule" };

/** The rules of a grammar as they are found, by name. */
export class GrammarRules {
  readonly #rules = new Map<string, Expression>();
  readonly #byText = new Map<string, Rule>();
  readonly #alternatives = new Set<string>();
  #length = 0;
  #repeated = 0;
  #count = 0;

  /** A rule that will be defined later: it may stand in its own definition. */
  reserve(): Rule {
    return { kind: "rule", name: `r${this.#count++}` };
  }

  define(rule: Rule, expression: Expression): void {
    this.#keep(rule, expression, print(expression));
  }

  /** As a choice between rules, of which any may be such a choice too. */
  defineAlternatives(rule: Rule, options: readonly Expression[]): void {
    this.define(rule, choice(...options));
    this.#alternatives.add(rule.name);
  }

  /** The rule of that content. */
  add(expression: Expression): Rule {
    if (expression.kind === "rule") return expression;
    const content = print(expression);
    const known = this.#byText.get(content);
    if (known) return known;
    const rule = this.reserve();
    this.#keep(rule, expression, content);
    this.#byText.set(content, rule);
    return rule;
  }

  #keep({ name }: Rule, expression: Expression, content: string): void {
    this.#length += name.length + content.length;
    if (this.#length > GRAMMAR_LENGTH_MAX) refuse("the grammar of the schema is too long");
    this.#repeated += repeatedIn(expression);
    if (this.#repeated > REPEATED_SYMBOLS_MAX) refuse("the schema repeats too much");
    this.#rules.set(name, expression);
  }

  /** As GBNF, with the rules that `start` needs. Throws when nothing matches, or a rule begins with itself. */
  text(start: Rule): string {
    const usable = withoutNothing(this.#rules);
    if (!usable.has(start.name)) refuse("no value fits the schema");
    refuseLeftRecursion(usable);
    const flat = withFlatAlternatives(usable, this.#alternatives);
    const lines = [`root ::= ${start.name}`];
    for (const name of reachable(flat, start.name)) {
      lines.push(`${name} ::= ${print(flat.get(name) ?? NOTHING)}`);
    }
    return `${lines.join("\n")}\n`;
  }
}

type Rules = ReadonlyMap<string, Expression>;

function repeatedIn(expression: Expression): number {
  switch (expression.kind) {
    case "sequence":
      return expression.parts.reduce((sum, part) => sum + repeatedIn(part), 0);
    case "choice":
      return expression.options.reduce((sum, option) => sum + repeatedIn(option), 0);
    case "repetition": {
      const { of, least, most } = expression;
      return Math.max(least, most ?? 0) + repeatedIn(of);
    }
    default:
      return 0;
  }
}

/**
 * Takes out what nothing matches, and with it what needs that: a list that must have an entry of its own kind, say. A rule
 * stays when it matches some text of rules that stay.
 */
function withoutNothing(rules: Rules): Rules {
  const matching = fixedPoint(rules, (expression, known) => matchesSome(expression, known));
  const kept = new Map<string, Expression>();
  for (const [name, expression] of rules) {
    if (matching.has(name)) kept.set(name, pruned(expression, matching));
  }
  return kept;
}

type Names = ReadonlySet<string>;

/**
 * The names of the rules that `holds` is true of, from those that it is true of without any other. Each that is found has
 * those that use it looked at again: so the work grows with the rules, in whatever order they are.
 */
function fixedPoint(rules: Rules, holds: (expression: Expression, known: Names) => boolean): Names {
  const users = new Map<string, string[]>();
  for (const [name, expression] of rules) {
    for (const used of rulesIn(expression)) {
      const all = users.get(used);
      if (all) all.push(name);
      else users.set(used, [name]);
    }
  }
  const known = new Set<string>();
  const open = [...rules.keys()];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (known.has(name) || !holds(rules.get(name) ?? NOTHING, known)) continue;
    known.add(name);
    for (const user of users.get(name) ?? []) {
      if (!known.has(user)) open.push(user);
    }
  }
  return known;
}

function matchesSome(expression: Expression, known: Names): boolean {
  switch (expression.kind) {
    case "rule":
      return known.has(expression.name);
    case "sequence":
      return expression.parts.every((part) => matchesSome(part, known));
    case "choice":
      return expression.options.some((option) => matchesSome(option, known));
    case "repetition":
      return expression.least === 0 || matchesSome(expression.of, known);
    default:
      return true;
  }
}

function pruned(expression: Expression, matching: Names): Expression {
  if (!matchesSome(expression, matching)) return NOTHING;
  switch (expression.kind) {
    case "sequence":
      return sequence(...expression.parts.map((part) => pruned(part, matching)));
    case "choice": {
      const options = expression.options.filter((option) => matchesSome(option, matching));
      return choice(...options.map((option) => pruned(option, matching)));
    }
    case "repetition": {
      const { of, least, most } = expression;
      return matchesSome(of, matching) ? repetition(pruned(of, matching), least, most) : sequence();
    }
    default:
      return expression;
  }
}

/** llama.cpp expands a rule until a character comes: one that begins with itself it refuses, and some of its versions did not. */
function refuseLeftRecursion(rules: Rules): void {
  const empty = fixedPoint(rules, matchesEmpty);
  const done = new Set<string>();
  const path = new Set<string>();
  for (const start of rules.keys()) {
    const stack = [start];
    for (let name = stack.at(-1); name !== undefined; name = stack.at(-1)) {
      if (path.has(name) || done.has(name)) {
        stack.pop();
        path.delete(name);
        done.add(name);
        continue;
      }
      path.add(name);
      for (const next of firstRules(rules.get(name) ?? NOTHING, empty)) {
        if (path.has(next)) refuse("a part of the schema consists of itself");
        if (!done.has(next)) stack.push(next);
      }
    }
  }
}

function matchesEmpty(expression: Expression, known: Names): boolean {
  switch (expression.kind) {
    case "text":
      return expression.text === "";
    case "class":
      return false;
    case "rule":
      return known.has(expression.name);
    case "sequence":
      return expression.parts.every((part) => matchesEmpty(part, known));
    case "choice":
      return expression.options.some((option) => matchesEmpty(option, known));
    case "repetition":
      return expression.least === 0 || matchesEmpty(expression.of, known);
  }
}

/** The rules that the expression may begin with. */
function firstRules(expression: Expression, empty: Names): readonly string[] {
  switch (expression.kind) {
    case "rule":
      return [expression.name];
    case "choice":
      return expression.options.flatMap((option) => firstRules(option, empty));
    case "repetition":
      return firstRules(expression.of, empty);
    case "sequence": {
      const solid = expression.parts.findIndex((part) => !matchesEmpty(part, empty));
      const first = solid < 0 ? expression.parts : expression.parts.slice(0, solid + 1);
      return first.flatMap((part) => firstRules(part, empty));
    }
    default:
      return [];
  }
}

/**
 * Makes alternatives between alternatives one choice. llama.cpp goes every way to an option by itself: with rules that
 * choose between the same two next ones each, that doubled with every step.
 */
function withFlatAlternatives(rules: Rules, names: Names): Rules {
  const flat = new Map(rules);
  const done = new Set<string>();
  let count = 0;
  const flatten = (name: string): Expression => {
    const expression = flat.get(name) ?? NOTHING;
    if (done.has(name) || !names.has(name)) return expression;
    const options = new Map<string, Expression>();
    for (const option of optionsOf(expression)) {
      const inner =
        option.kind === "rule" && names.has(option.name) ? flatten(option.name) : option;
      for (const one of optionsOf(inner)) options.set(print(one), one);
    }
    count += options.size;
    if (count > FLAT_OPTIONS_MAX) refuse("the schema has too many alternatives");
    done.add(name);
    const whole = choice(...options.values());
    flat.set(name, whole);
    return whole;
  };
  for (const name of [...rules.keys()].reverse()) flatten(name);
  return flat;
}

function optionsOf(expression: Expression): readonly Expression[] {
  return expression.kind === "choice" ? expression.options : [expression];
}

function reachable(rules: Rules, start: string): Names {
  const found = new Set([start]);
  // A set's iteration comes to what is added while it goes on.
  for (const name of found) {
    for (const next of rulesIn(rules.get(name) ?? NOTHING)) found.add(next);
  }
  return found;
}

function rulesIn(expression: Expression): readonly string[] {
  switch (expression.kind) {
    case "rule":
      return [expression.name];
    case "sequence":
      return expression.parts.flatMap(rulesIn);
    case "choice":
      return expression.options.flatMap(rulesIn);
    case "repetition":
      return rulesIn(expression.of);
    default:
      return [];
  }
}
