import { invalid } from "./errors.ts";
import type { Token } from "./lexer.ts";
import { NESTING_MAX } from "./limits.ts";
import type {
  CallArguments,
  Comparand,
  Comparison,
  Expression,
  Operator,
  Slice,
  Test,
} from "./nodes.ts";

const COMPARISONS: readonly Comparison[] = ["==", "!=", "<", "<=", ">", ">="];
const LITERALS: Readonly<Record<string, boolean | null>> = {
  ...{ true: true, True: true, false: false, False: false, none: null, None: null },
};

/** How deep a parser is, in blocks and expressions together. */
export interface Depth {
  depth: number;
}

/** The expressions of one action (jinja2/parser.py), which is one of a template's. */
export class Expressions {
  readonly #tokens: readonly Token[];
  readonly #line: number;
  readonly #nesting: Depth;
  /** All that is looked up. */
  readonly #names: Set<string>;
  #at = 0;

  constructor(
    { tokens, line }: { readonly tokens: readonly Token[]; readonly line: number },
    nesting: Depth,
    names: Set<string>,
  ) {
    this.#tokens = tokens;
    this.#line = line;
    this.#nesting = nesting;
    this.#names = names;
  }

  get line(): number {
    return this.#tokens[this.#at]?.line ?? this.#line;
  }

  get isEmpty(): boolean {
    return this.#at >= this.#tokens.length;
  }

  is(mark: string, ahead = 0): boolean {
    const token = this.#tokens[this.#at + ahead];
    return token?.kind === "mark" && token.mark === mark;
  }

  isName(name: string, ahead = 0): boolean {
    const token = this.#tokens[this.#at + ahead];
    return token?.kind === "name" && token.name === name;
  }

  take(mark: string): boolean {
    const isIt = this.is(mark);
    if (isIt) this.#at++;
    return isIt;
  }

  takeName(name: string): boolean {
    const isIt = this.isName(name);
    if (isIt) this.#at++;
    return isIt;
  }

  expect(mark: string): void {
    if (!this.take(mark)) throw this.invalid(`expected '${mark}', got ${this.shown()}`);
  }

  /** Any. */
  name(): string {
    const token = this.#tokens[this.#at];
    if (token?.kind !== "name") throw this.invalid(`expected a name, got ${this.shown()}`);
    this.#at++;
    return token.name;
  }

  expectEnd(): void {
    if (!this.isEmpty) throw this.invalid(`expected the end of the tag, got ${this.shown()}`);
  }

  shown(): string {
    const token = this.#tokens[this.#at];
    if (!token) return "the end of the tag";
    if (token.kind === "name") return `'${token.name}'`;
    return `'${token.kind === "mark" ? token.mark : token.kind}'`;
  }

  invalid(what: string): Error {
    return invalid(this.line, what);
  }

  /** One, or a tuple without parentheses. */
  tuple(one: () => Expression = () => this.expression(), inParentheses = false): Expression {
    const items: Expression[] = [];
    let isTuple = false;
    while (!this.#isTupleEnd()) {
      items.push(one());
      if (!this.take(",")) break;
      isTuple = true;
    }
    const [only] = items;
    if (!isTuple && only) return only;
    if (!isTuple && !inParentheses) throw this.invalid(`unexpected ${this.shown()}`);
    return { type: "tuple", items };
  }

  #isTupleEnd(): boolean {
    return this.isEmpty || this.is(")");
  }

  expression(): Expression {
    if (++this.#nesting.depth > NESTING_MAX) throw this.invalid("nested too deeply");
    let then = this.or();
    while (this.takeName("if")) {
      const condition = this.or();
      const otherwise = this.takeName("else") ? this.expression() : undefined;
      then = { type: "conditional", condition, then, otherwise };
    }
    this.#nesting.depth--;
    return then;
  }

  or(): Expression {
    let left = this.#and();
    while (this.takeName("or")) left = { type: "or", left, right: this.#and() };
    return left;
  }

  #and(): Expression {
    let left = this.#not();
    while (this.takeName("and")) left = { type: "and", left, right: this.#not() };
    return left;
  }

  #not(): Expression {
    let count = 0;
    while (this.takeName("not")) count++;
    let of = this.#compare();
    for (; count > 0; count--) of = { type: "not", of };
    return of;
  }

  #compare(): Expression {
    const first = this.#sum();
    const others: Comparand[] = [];
    for (let sign = this.#comparison(); sign; sign = this.#comparison()) {
      others.push({ comparison: sign, value: this.#sum() });
    }
    return others.length === 0 ? first : { type: "compare", first, others };
  }

  #comparison(): Comparison | undefined {
    if (this.takeName("in")) return "in";
    if (this.isName("not") && this.isName("in", 1)) {
      this.#at += 2;
      return "not in";
    }
    return COMPARISONS.find((sign) => this.take(sign));
  }

  #sum(): Expression {
    return this.#operators(["+", "-"], () => this.#concat());
  }

  #concat(): Expression {
    const first = this.#product();
    const parts = [first];
    while (this.take("~")) parts.push(this.#product());
    return parts.length === 1 ? first : { type: "concat", parts };
  }

  #product(): Expression {
    return this.#operators(["*", "/", "//", "%"], () => this.#power());
  }

  #power(): Expression {
    return this.#operators(["**"], () => this.unary());
  }

  #operators(known: readonly Operator[], operand: () => Expression): Expression {
    let left = operand();
    for (;;) {
      const operator = known.find((sign) => this.take(sign));
      if (!operator) return left;
      left = { type: "binary", operator, left, right: operand() };
    }
  }

  unary(withFilters = true): Expression {
    if (++this.#nesting.depth > NESTING_MAX) throw this.invalid("nested too deeply");
    const sign = this.take("-") ? "-" : this.take("+") ? "+" : undefined;
    const of: Expression = sign
      ? { type: "sign", sign, of: this.unary(false) }
      : this.#postfix(this.primary());
    this.#nesting.depth--;
    return withFilters ? this.filtered(of) : of;
  }

  primary(): Expression {
    const token = this.#tokens[this.#at];
    switch (token?.kind) {
      case "name": {
        this.#at++;
        const literal = Object.hasOwn(LITERALS, token.name) ? LITERALS[token.name] : undefined;
        if (literal !== undefined) return { type: "constant", value: literal };
        this.#names.add(token.name);
        return { type: "name", name: token.name };
      }
      case "text":
        return { type: "constant", value: this.#texts() };
      case "integer":
      case "float":
        this.#at++;
        return { type: "constant", value: token.value };
      case "mark":
        if (this.take("(")) {
          const inside = this.tuple(() => this.expression(), true);
          this.expect(")");
          return inside;
        }
        if (this.take("[")) return { type: "list", items: this.#until("]") };
        if (this.take("{")) return this.#dict();
    }
    throw this.invalid(`unexpected ${this.shown()}`);
  }

  /** Those that stand side by side are one. */
  #texts(): string {
    let text = "";
    for (;;) {
      const token = this.#tokens[this.#at];
      if (token?.kind !== "text") return text;
      text += token.value;
      this.#at++;
    }
  }

  #until(mark: string): Expression[] {
    const items: Expression[] = [];
    while (!this.take(mark)) {
      if (items.length > 0) this.expect(",");
      if (this.take(mark)) break;
      items.push(this.expression());
    }
    return items;
  }

  #dict(): Expression {
    const pairs: [Expression, Expression][] = [];
    while (!this.take("}")) {
      if (pairs.length > 0) this.expect(",");
      if (this.take("}")) break;
      const key = this.expression();
      this.expect(":");
      pairs.push([key, this.expression()]);
    }
    return { type: "dict", pairs };
  }

  #postfix(start: Expression): Expression {
    let of = start;
    for (;;) {
      if (this.take(".")) of = this.#member(of);
      else if (this.take("[")) of = this.#subscript(of);
      else if (this.is("(")) of = { type: "call", of, args: this.callArguments() };
      else return of;
    }
  }

  #member(of: Expression): Expression {
    const token = this.#tokens[this.#at];
    if (token?.kind !== "integer") return { type: "attribute", of, name: this.name() };
    this.#at++;
    return { type: "item", of, key: { type: "constant", value: token.value } };
  }

  #subscript(of: Expression): Expression {
    const bound = (): Expression | undefined =>
      this.is(":") || this.is("]") ? undefined : this.expression();
    const start = bound();
    if (start && !this.is(":")) {
      const keys = [start];
      while (this.take(",")) keys.push(this.expression());
      this.expect("]");
      const key: Expression = keys.length === 1 ? start : { type: "tuple", items: keys };
      return { type: "item", of, key };
    }
    this.expect(":");
    const stop = bound();
    const step = this.take(":") ? bound() : undefined;
    this.expect("]");
    return { type: "slice", of, start, stop, step } satisfies Slice;
  }

  /** With filters, tests and calls after them. */
  filtered(start: Expression | undefined): Expression {
    let of = start;
    for (;;) {
      if (this.take("|") || !of) {
        const name = this.#dotted();
        const args = this.is("(") ? this.callArguments() : NO_ARGUMENTS;
        of = { type: "filter", name, of, args };
      } else if (this.takeName("is")) of = this.#test(of);
      else if (this.is("(")) of = { type: "call", of, args: this.callArguments() };
      else return of;
    }
  }

  #dotted(): string {
    let name = this.name();
    while (this.take(".")) name += `.${this.name()}`;
    return name;
  }

  #test(of: Expression): Expression {
    const isNegated = this.takeName("not");
    const name = this.#dotted();
    const test: Test = { type: "test", name, of, args: this.#testArguments() };
    return isNegated ? { type: "not", of: test } : test;
  }

  /** In parentheses, or one without them. */
  #testArguments(): CallArguments {
    if (this.is("(")) return this.callArguments();
    const token = this.#tokens[this.#at];
    const isWord = token?.kind === "name" && /^(else|or|and)$/.test(token.name);
    const isOther = token?.kind === "mark" && !/^[[{]$/.test(token.mark);
    if (!token || isWord || isOther) return NO_ARGUMENTS;
    if (this.isName("is")) throw this.invalid("You cannot chain multiple tests with is");
    // A filter's word that comes next belongs to the tag: `{% if x is none if … %}` is refused there.
    return { ...NO_ARGUMENTS, positional: [this.#postfix(this.primary())] };
  }

  callArguments(): CallArguments {
    this.expect("(");
    const positional: Expression[] = [];
    const named: [string, Expression][] = [];
    let spread: Expression | undefined;
    let spreadNamed: Expression | undefined;
    while (!this.take(")")) {
      const token = this.#tokens[this.#at];
      if (this.take("**")) spreadNamed = this.expression();
      else if (this.take("*")) spread = this.expression();
      else if (token?.kind === "name" && this.is("=", 1)) {
        this.#at += 2;
        named.push([token.name, this.expression()]);
      } else {
        if (named.length > 0 || spread || spreadNamed) {
          throw this.invalid("invalid syntax for function call expression");
        }
        positional.push(this.expression());
      }
      if (!this.is(")")) this.expect(",");
    }
    return { positional, named, spread, spreadNamed };
  }
}

const NO_ARGUMENTS: CallArguments = {
  ...{ positional: [], named: [], spread: undefined, spreadNamed: undefined },
};
