import { invalid } from "./errors.ts";
import { type Depth, Expressions } from "./expressions.ts";
import { type Part, partsOf } from "./lexer.ts";
import { NESTING_MAX, SOURCE_CHARS_MAX } from "./limits.ts";
import type { Branch, Expression, Filter, MacroNode, Node, Parameter, Target } from "./nodes.ts";

export function parse(source: string): readonly Node[] {
  if (source.length > SOURCE_CHARS_MAX) throw invalid(1, "the template is too long");
  try {
    return new Parser(partsOf(source)).parse();
  } catch (error) {
    throw error instanceof RangeError ? invalid(1, "nested too deeply") : error;
  }
}

/** A list of nodes, and the tag that ended it. */
interface Ended {
  readonly nodes: readonly Node[];
  readonly by: string;
  readonly rest: Expressions;
}

class Parser {
  readonly #parts: readonly Part[];
  readonly #nesting: Depth = { depth: 0 };
  #next = 0;
  #loops = 0;
  /** That the innermost macro looks up. */
  #names = new Set<string>();

  constructor(parts: readonly Part[]) {
    this.#parts = parts;
  }

  parse(): readonly Node[] {
    return this.#nodes([]).nodes;
  }

  /** To the first of these tags; to the end of the template where there are none. */
  #nodes(ends: readonly string[]): Ended {
    const nodes: Node[] = [];
    for (;;) {
      const part = this.#parts[this.#next++];
      if (!part) {
        const rest = new Expressions({ tokens: [], line: 1 }, this.#nesting, this.#names);
        if (ends.length === 0) return { nodes, by: "", rest };
        throw rest.invalid(`unexpected end of template, looking for ${ends.join(" or ")}`);
      }
      if (part.kind === "text") {
        nodes.push({ type: "text", text: part.text });
        continue;
      }
      const tokens = new Expressions(part, this.#nesting, this.#names);
      if (part.kind === "output") {
        nodes.push({ type: "output", value: tokens.tuple(), line: part.line });
        tokens.expectEnd();
        continue;
      }
      const tag = tokens.name();
      if (ends.includes(tag)) return { nodes, by: tag, rest: tokens };
      if (++this.#nesting.depth > NESTING_MAX) throw tokens.invalid("nested too deeply");
      nodes.push(this.#statement(tag, tokens, part.line));
      this.#nesting.depth--;
    }
  }

  /** To the end tag, which has nothing else in it. */
  #body(end: string, opening: Expressions): readonly Node[] {
    opening.expectEnd();
    const { nodes, rest } = this.#nodes([end]);
    if (end === "endblock" && !rest.isEmpty) rest.name();
    rest.expectEnd();
    return nodes;
  }

  #statement(tag: string, tokens: Expressions, line: number): Node {
    switch (tag) {
      case "if":
        return this.#if(tokens, line);
      case "for":
        return this.#for(tokens, line);
      case "set":
        return this.#set(tokens, line);
      case "macro":
        return this.#macro(tokens.name(), tokens, "endmacro", line);
      case "call":
        return this.#call(tokens, line);
      case "filter": {
        const filter = filterOf(tokens);
        return { type: "filter", filter, body: this.#body("endfilter", tokens), line };
      }
      case "with":
        return this.#with(tokens, line);
      case "generation":
        return { type: "with", sets: [], body: this.#body("endgeneration", tokens), line };
      case "block":
        tokens.name();
        for (const word of ["scoped", "required"]) tokens.takeName(word);
        return { type: "with", sets: [], body: this.#body("endblock", tokens), line };
      case "break":
      case "continue":
        tokens.expectEnd();
        if (this.#loops === 0) throw tokens.invalid(`'${tag}' outside loop`);
        return { type: tag, line };
      default:
        throw tokens.invalid(`unknown tag '${tag}'`);
    }
  }

  #if(opening: Expressions, line: number): Node {
    const branches: Branch[] = [];
    let tokens = opening;
    for (;;) {
      const condition = tokens.tuple(() => tokens.or());
      tokens.expectEnd();
      const { nodes, by, rest } = this.#nodes(["elif", "else", "endif"]);
      branches.push({ condition, body: nodes });
      if (by === "elif") {
        tokens = rest;
        continue;
      }
      if (by === "endif") rest.expectEnd();
      const otherwise = by === "else" ? this.#body("endif", rest) : [];
      return { type: "if", branches, otherwise, line };
    }
  }

  #for(tokens: Expressions, line: number): Node {
    const target = targetOf(tokens, "for");
    if (!tokens.takeName("in")) throw tokens.invalid(`expected 'in', got ${tokens.shown()}`);
    const items = tokens.tuple(() => tokens.or());
    const condition = tokens.takeName("if") ? tokens.expression() : undefined;
    const recursive = tokens.takeName("recursive");
    tokens.expectEnd();
    this.#loops++;
    const { nodes: body, by, rest } = this.#nodes(["else", "endfor"]);
    this.#loops--;
    if (by === "endfor") rest.expectEnd();
    const otherwise = by === "else" ? this.#body("endfor", rest) : [];
    return { type: "for", target, items, condition, recursive, body, otherwise, line };
  }

  #set(tokens: Expressions, line: number): Node {
    const target = targetOf(tokens, "set");
    if (tokens.take("=")) {
      const value = tokens.tuple();
      tokens.expectEnd();
      return { type: "set", target, value, line };
    }
    const filter = tokens.take("|") ? filterOf(tokens) : undefined;
    return { type: "set-block", target, filter, body: this.#body("endset", tokens), line };
  }

  #call(tokens: Expressions, line: number): Node {
    const parameters = tokens.is("(") ? parametersOf(tokens) : [];
    const call = tokens.unary();
    if (call.type !== "call") throw tokens.invalid("expected call");
    const caller = this.#macroBody({ name: "caller", parameters, line }, tokens, "endcall");
    return { type: "call-block", call, caller, line };
  }

  #macro(name: string, tokens: Expressions, end: string, line: number): MacroNode {
    return this.#macroBody({ name, parameters: parametersOf(tokens), line }, tokens, end);
  }

  #macroBody(
    macro: Pick<MacroNode, "name" | "parameters" | "line">,
    tokens: Expressions,
    end: string,
  ): MacroNode {
    const outer = { names: this.#names, loops: this.#loops };
    this.#names = new Set();
    this.#loops = 0;
    const body = this.#body(end, tokens);
    const takes = this.#names;
    this.#names = outer.names;
    // What a macro inside of it takes, it takes too, as Jinja2 has it.
    for (const name of takes) outer.names.add(name);
    this.#loops = outer.loops;
    return { type: "macro", ...macro, body, takes };
  }

  #with(tokens: Expressions, line: number): Node {
    const sets: [Target, Expression][] = [];
    while (!tokens.isEmpty) {
      if (sets.length > 0) tokens.expect(",");
      const target = singleTarget(tokens);
      tokens.expect("=");
      sets.push([target, tokens.expression()]);
    }
    return { type: "with", sets, body: this.#body("endwith", tokens), line };
  }
}

function filterOf(tokens: Expressions): Filter {
  const filter = tokens.filtered(undefined);
  if (filter.type !== "filter") throw tokens.invalid("expected a filter");
  return filter;
}

function targetOf(tokens: Expressions, tag: "for" | "set"): Target {
  if (tag === "set" && tokens.is(".", 1)) {
    const of = tokens.name();
    tokens.expect(".");
    return { type: "member", of, name: tokens.name() };
  }
  const targets: Target[] = [];
  let isTuple = false;
  const isOver = (): boolean => tag === "for" && tokens.isName("in");
  while (!isOver() && !tokens.is(")") && !tokens.is("=") && !tokens.isEmpty) {
    targets.push(singleTarget(tokens));
    if (!tokens.take(",")) break;
    isTuple = true;
  }
  const [only] = targets;
  if (only && !isTuple) return only;
  if (!only) throw tokens.invalid(`unexpected ${tokens.shown()}`);
  return { type: "targets", targets };
}

const CONSTANTS: ReadonlySet<string> = new Set(["true", "false", "none", "True", "False", "None"]);

function singleTarget(tokens: Expressions): Target {
  if (tokens.take("(")) {
    const inside = targetOf(tokens, "for");
    tokens.expect(")");
    return inside;
  }
  const name = tokens.name();
  if (CONSTANTS.has(name)) throw tokens.invalid("can't assign to 'const'");
  return { type: "name", name };
}

function parametersOf(tokens: Expressions): Parameter[] {
  const parameters: Parameter[] = [];
  tokens.expect("(");
  while (!tokens.take(")")) {
    if (parameters.length > 0) tokens.expect(",");
    if (tokens.take(")")) break;
    const name = tokens.name();
    const fallback = tokens.take("=") ? tokens.expression() : undefined;
    if (!fallback && parameters.at(-1)?.fallback) {
      throw tokens.invalid("non-default argument follows default argument");
    }
    parameters.push({ name, fallback });
  }
  return parameters;
}
