import { evaluate } from "./evaluate.ts";
import type { Node } from "./nodes.ts";
import { parse } from "./parser.ts";

/**
 * A chat template in Jinja (https://jinja.palletsprojects.com/en/stable/templates/), rendered as Jinja2 3.1 of Python does, in
 * the sandbox that Hugging Face's transformers sets up for it. Left out: other templates (`include`, `import`, `extends`),
 * autoescape, and the exact words of errors.
 */
export class Template {
  readonly #root: readonly Node[];

  /** Throws a JinjaError with what is wrong, and in which line. */
  constructor(source: string) {
    this.#root = parse(source);
  }

  /** The data may have functions; they are given JavaScript's values. */
  render(data: Readonly<Record<string, unknown>>): string {
    return evaluate(this.#root, data);
  }
}
