import { invalid } from "./errors.ts";
import { isFunction } from "./functions.ts";
import { type Mark, type Part, partsOf, type Token } from "./lexer.ts";
import type { Command, Node, Operand, Pipe } from "./nodes.ts";

export interface Parsed {
  readonly root: readonly Node[];
  /** By `define` and `block`. */
  readonly templates: ReadonlyMap<string, readonly Node[]>;
}

const SOURCE_CHARS_MAX = 1_048_576;
const DEPTH_MAX = 100;
const PARENTHESES = "parenthesized pipeline";

export function parse(source: string): Parsed {
  if (source.length > SOURCE_CHARS_MAX) throw invalid(1, "the template is too long");
  return new Parser(partsOf(source)).parse();
}

const LITERALS: Readonly<Record<string, boolean | null>> = { true: true, false: false, nil: null };
const KEYWORDS: ReadonlySet<string> = new Set([
  ...["if", "else", "end", "range", "with", "define", "template", "block", "break", "continue"],
]);

/** What ended a list of nodes: `{{end}}`, or `{{else …}}` with what follows the word. */
interface Ended {
  readonly nodes: Node[];
  readonly by: "end" | "else" | "eof";
  readonly rest?: Tokens;
}

class Parser {
  readonly #parts: readonly Part[];
  readonly #templates = new Map<string, readonly Node[]>();
  #next = 0;
  #line = 1;
  #depth = 0;
  #loops = 0;
  /** Names of variables that are in scope; `$` is always. */
  #variables: string[] = ["$"];

  constructor(parts: readonly Part[]) {
    this.#parts = parts;
  }

  parse(): Parsed {
    const { nodes, by } = this.#list();
    if (by !== "eof") throw this.#invalid(`unexpected {{${by}}}`);
    return { root: nodes, templates: this.#templates };
  }

  #list(): Ended {
    if (++this.#depth > DEPTH_MAX) throw this.#invalid("blocks are nested too deeply");
    const nodes: Node[] = [];
    try {
      for (;;) {
        const part = this.#parts[this.#next++];
        if (!part) return { nodes, by: "eof" };
        if (part.kind === "text") {
          nodes.push({ type: "text", text: part.text });
          continue;
        }
        this.#line = part.line;
        const tokens = new Tokens(part.tokens, part.line);
        const word = tokens.keyword();
        if (word === "end") {
          tokens.expectEnd("end");
          return { nodes, by: "end" };
        }
        if (word === "else") return { nodes, by: "else", rest: tokens };
        const node = this.#action(word, tokens);
        if (node) nodes.push(node);
      }
    } finally {
      this.#depth--;
    }
  }

  #action(word: string | undefined, tokens: Tokens): Node | undefined {
    switch (word) {
      case undefined:
        return { type: "action", pipe: this.#pipe(tokens, "action") };
      case "if":
      case "with":
      case "range":
        return this.#branch(word, tokens);
      case "define": {
        const name = tokens.text("define");
        tokens.expectEnd("define");
        this.#define(name);
        return undefined;
      }
      case "block": {
        const name = tokens.text("block");
        const pipe = this.#pipe(tokens, "block");
        this.#define(name);
        return { type: "template", name, pipe };
      }
      case "template": {
        const name = tokens.text("template");
        return tokens.isEmpty
          ? { type: "template", name }
          : { type: "template", name, pipe: this.#pipe(tokens, "template") };
      }
      case "break":
      case "continue":
        tokens.expectEnd(word);
        if (this.#loops === 0) throw this.#invalid(`{{${word}}} outside {{range}}`);
        return { type: word };
      default:
        throw this.#invalid(`unexpected {{${word}}}`);
    }
  }

  #define(name: string): void {
    const outer = { variables: this.#variables, loops: this.#loops };
    this.#variables = ["$"];
    this.#loops = 0;
    this.#templates.set(name, this.#toEnd().nodes);
    this.#variables = outer.variables;
    this.#loops = outer.loops;
  }

  #branch(type: "if" | "with" | "range", tokens: Tokens): Node {
    const known = this.#variables.length;
    const pipe = this.#pipe(tokens, type);
    if (type === "range") this.#loops++;
    const first = this.#list();
    if (type === "range") this.#loops--;
    let otherwise: readonly Node[] = [];
    if (first.by === "eof") throw this.#invalid("unexpected EOF");
    if (first.by === "else" && first.rest) {
      const chained = first.rest.keyword();
      if (chained === "if" || chained === "with") {
        if (type === "range") throw this.#invalid(`unexpected <${chained}> in input`);
        otherwise = [this.#branch(chained, first.rest)];
      } else {
        first.rest.expectEnd("else");
        otherwise = this.#toEnd().nodes;
      }
    }
    this.#variables.length = known;
    return { type, pipe, list: first.nodes, otherwise };
  }

  #toEnd(): Ended {
    const known = this.#variables.length;
    const ended = this.#list();
    this.#variables.length = known;
    if (ended.by === "eof") throw this.#invalid("unexpected EOF");
    if (ended.by === "else") throw this.#invalid("unexpected {{else}}");
    return ended;
  }

  #pipe(tokens: Tokens, context: string): Pipe {
    const declared = tokens.declaration(context === "range");
    const { variables, declares } = declared;
    if (!declares) for (const name of variables) this.#expectVariable(name);
    const commands: Command[] = [];
    do {
      const command = this.#command(tokens);
      if (command.length === 0) throw this.#invalid(`missing value for ${context}`);
      const [first] = command;
      if (commands.length > 0 && first?.type !== "function" && first?.type !== "fields") {
        throw this.#invalid(`non executable command in pipeline stage ${commands.length + 1}`);
      }
      commands.push(command);
    } while (tokens.take("|"));
    const isClosed = context === PARENTHESES && tokens.is(")");
    if (!tokens.isEmpty && !isClosed) {
      throw this.#invalid(`unexpected ${tokens.shown()} in ${context}`);
    }
    if (declares) this.#variables.push(...variables);
    return { variables, declares, commands };
  }

  #command(tokens: Tokens): Operand[] {
    const operands: Operand[] = [];
    while (!tokens.isEmpty && !tokens.is("|") && !tokens.is(")"))
      operands.push(this.#operand(tokens));
    return operands;
  }

  #operand(tokens: Tokens): Operand {
    if (this.#depth > DEPTH_MAX) throw this.#invalid("parentheses are nested too deeply");
    const token = tokens.next();
    const of = this.#term(token, tokens);
    const names = token?.kind === "field" ? [token.name] : [];
    for (let name = tokens.chained(); name !== undefined; name = tokens.chained()) names.push(name);
    if (names.length > 0 && of.type === "literal") throw this.#invalid("unexpected . after term");
    return names.length > 0 ? { type: "fields", of, names } : of;
  }

  #term(token: Token | undefined, tokens: Tokens): Operand {
    switch (token?.kind) {
      case "literal":
        return { type: "literal", value: token.value };
      case "field":
        return { type: "dot" };
      case "variable":
        this.#expectVariable(token.name);
        return { type: "variable", name: token.name };
      case "word": {
        const literal = Object.hasOwn(LITERALS, token.name) ? LITERALS[token.name] : undefined;
        if (literal !== undefined) return { type: "literal", value: literal };
        if (KEYWORDS.has(token.name)) throw this.#invalid(`unexpected <${token.name}> in operand`);
        if (!isFunction(token.name)) {
          throw this.#invalid(`function ${JSON.stringify(token.name)} not defined`);
        }
        return { type: "function", name: token.name };
      }
      case "mark": {
        if (token.mark === ".") return { type: "dot" };
        if (token.mark !== "(") break;
        this.#depth++;
        const pipe = this.#pipe(tokens, PARENTHESES);
        this.#depth--;
        if (!tokens.take(")")) throw this.#invalid("unclosed left paren");
        return { type: "pipe", pipe };
      }
    }
    throw this.#invalid(`unexpected ${shownOf(token)} in operand`);
  }

  #expectVariable(name: string): void {
    if (!this.#variables.includes(name)) throw this.#invalid(`undefined variable "${name}"`);
  }

  #invalid(what: string): Error {
    return invalid(this.#line, what);
  }
}

/** Of one action. */
class Tokens {
  readonly #tokens: readonly Token[];
  readonly #line: number;
  #at = 0;

  constructor(tokens: readonly Token[], line: number) {
    this.#tokens = tokens;
    this.#line = line;
  }

  get isEmpty(): boolean {
    return this.#at >= this.#tokens.length;
  }

  next(): Token | undefined {
    return this.#tokens[this.#at++];
  }

  /** At the beginning. */
  keyword(): string | undefined {
    const token = this.#tokens[this.#at];
    if (token?.kind !== "word" || !KEYWORDS.has(token.name)) return undefined;
    this.#at++;
    return token.name;
  }

  is(mark: Mark): boolean {
    const token = this.#tokens[this.#at];
    return token?.kind === "mark" && token.mark === mark;
  }

  take(mark: Mark): boolean {
    const isThere = this.is(mark);
    if (isThere) this.#at++;
    return isThere;
  }

  /** `.Name` that follows without a space. */
  chained(): string | undefined {
    const token = this.#tokens[this.#at];
    if (token?.kind !== "field" || token.spaced) return undefined;
    this.#at++;
    return token.name;
  }

  text(context: string): string {
    const token = this.next();
    if (token?.kind === "literal" && typeof token.value === "string") return token.value;
    throw invalid(this.#line, `unexpected ${shownOf(token)} in ${context} clause`);
  }

  expectEnd(context: string): void {
    if (!this.isEmpty) throw invalid(this.#line, `unexpected ${this.shown()} in ${context}`);
  }

  shown(): string {
    return shownOf(this.#tokens[this.#at]);
  }

  /** `$x :=`, `$x =`, and in a range `$i, $e :=`. */
  declaration(isRange: boolean): Pick<Pipe, "variables" | "declares"> {
    const start = this.#at;
    const variables: string[] = [];
    do {
      const token = this.next();
      if (token?.kind !== "variable") break;
      variables.push(token.name);
    } while (this.take(","));
    const declares = this.take(":=");
    if (variables.length > 0 && (declares || this.take("="))) {
      if (variables.length === 1 || (variables.length === 2 && isRange))
        return { variables, declares };
      throw invalid(this.#line, "too many declarations");
    }
    this.#at = start;
    return { variables: [], declares: false };
  }
}

function shownOf(token: Token | undefined): string {
  if (!token) return "end of action";
  if (token.kind === "mark") return `"${token.mark}"`;
  if (token.kind === "literal") return JSON.stringify(token.value);
  return `<${token.kind === "field" ? "." : ""}${token.name}>`;
}
