import { evaluate } from "./evaluate.ts";
import type { FunctionContext } from "./functions.ts";
import { namesIn, namesInPipe } from "./names.ts";
import type { Node, Operand } from "./nodes.ts";
import { type Parsed, parse } from "./parser.ts";
import type { GoValue } from "./values.ts";

/**
 * A template of Go's text/template (https://pkg.go.dev/text/template), as Ollama's models carry them, with Ollama's functions.
 * Left out: methods, `call`, complex numbers, and the exact words of errors while it is executed.
 */
export class GoTemplate {
  readonly #parsed: Parsed;
  readonly #names: ReadonlySet<string>;

  private constructor(parsed: Parsed) {
    this.#parsed = parsed;
    const names = [parsed.root, ...parsed.templates.values()].flatMap((nodes) => namesIn(nodes));
    this.#names = new Set(names.map((name) => name.toLowerCase()));
  }

  /** Throws a GoTemplateError with what is wrong, and in which line. */
  static parse(source: string): GoTemplate {
    return new GoTemplate(parse(source));
  }

  /** Whether it says `.name` anywhere, in whatever casing. */
  uses(name: string): boolean {
    return this.#names.has(name.toLowerCase());
  }

  render(data: GoValue, context: FunctionContext): string {
    return evaluate(this.#parsed, data, context);
  }

  /** With `{{ .name }}` at its end. */
  withField(name: string): GoTemplate {
    const { root, templates } = this.#parsed;
    const field: Operand = { type: "fields", of: { type: "dot" }, names: [name] };
    const pipe = { variables: [], declares: false, commands: [[field]] };
    return new GoTemplate({ root: [...root, { type: "action", pipe }], templates });
  }

  /** Without what comes after the first action that says `.name`. */
  upTo(name: string): GoTemplate {
    const cut = new Cut(name);
    return new GoTemplate({ ...this.#parsed, root: cut.list(this.#parsed.root) });
  }
}

class Cut {
  readonly #name: string;
  #isOver = false;

  constructor(name: string) {
    this.#name = name;
  }

  list(nodes: readonly Node[]): Node[] {
    return nodes.flatMap((node) => (this.#isOver ? [] : [this.#node(node)]));
  }

  #node(node: Node): Node {
    if (node.type === "action") {
      this.#isOver = namesInPipe(node.pipe).includes(this.#name);
      return node;
    }
    if (node.type !== "if" && node.type !== "with" && node.type !== "range") return node;
    const list = this.list(node.list);
    return { ...node, list, otherwise: this.list(node.otherwise) };
  }
}
