import { failed } from "./errors.ts";
import { call, type FunctionContext } from "./functions.ts";
import type { Branch, Command, Node, Operand, Pipe } from "./nodes.ts";
import type { Parsed } from "./parser.ts";
import { fieldOf, type GoValue, isList, isObject, isTrue, shown } from "./values.ts";

/** What a template of a stranger may cost at most. */
const STEPS_MAX = 1_000_000;
const OUTPUT_CHARS_MAX = 64 * 1_048_576;
const CALLS_MAX = 100;

export function evaluate(
  { root, templates }: Parsed,
  data: GoValue,
  context: FunctionContext,
): string {
  const evaluation = new Evaluation(templates, context);
  evaluation.run(root, data);
  return evaluation.output;
}

type Flow = "on" | "break" | "continue";

interface Scope {
  readonly name: string;
  value: GoValue;
}

class Evaluation {
  output = "";
  readonly #templates: Parsed["templates"];
  readonly #context: FunctionContext;
  #steps = 0;
  #calls = 0;
  #scopes: Scope[] = [];

  constructor(templates: Parsed["templates"], context: FunctionContext) {
    this.#templates = templates;
    this.#context = context;
  }

  run(nodes: readonly Node[], dot: GoValue): void {
    const outer = this.#scopes;
    this.#scopes = [{ name: "$", value: dot }];
    this.#list(nodes, dot);
    this.#scopes = outer;
  }

  #list(nodes: readonly Node[], dot: GoValue): Flow {
    for (const node of nodes) {
      const flow = this.#node(node, dot);
      if (flow !== "on") return flow;
    }
    return "on";
  }

  #node(node: Node, dot: GoValue): Flow {
    this.#step();
    switch (node.type) {
      case "text":
        this.#write(node.text);
        return "on";
      case "action": {
        const value = this.#pipe(node.pipe, dot);
        if (node.pipe.variables.length === 0) this.#write(shown(value));
        return "on";
      }
      case "if":
      case "with":
      case "range":
        return this.#scoped(() => this.#branch(node, dot));
      case "template":
        this.#call(node.name, node.pipe ? this.#pipe(node.pipe, dot) : null);
        return "on";
      case "break":
      case "continue":
        return node.type;
    }
  }

  #branch(node: Branch, dot: GoValue): Flow {
    const value = this.#pipe(node.pipe, dot);
    if (node.type === "range") return this.#range(node, value, dot);
    if (!isTrue(value)) return this.#list(node.otherwise, dot);
    return this.#list(node.list, node.type === "with" ? value : dot);
  }

  #range({ pipe, list, otherwise }: Branch, value: GoValue, dot: GoValue): Flow {
    const items = itemsOf(value);
    if (items.length === 0) return this.#list(otherwise, dot);
    for (const [key, item] of items) {
      this.#step();
      const flow = this.#scoped(() => {
        const [first, second] = pipe.variables;
        if (second !== undefined) this.#set(second, item, pipe.declares);
        if (first !== undefined) this.#set(first, second === undefined ? item : key, pipe.declares);
        return this.#list(list, item);
      });
      if (flow === "break") break;
    }
    return "on";
  }

  #call(name: string, data: GoValue): void {
    const nodes = this.#templates.get(name);
    if (!nodes) throw failed(`template "${name}" not defined`);
    if (++this.#calls > CALLS_MAX) throw failed("exceeded maximum template depth");
    this.run(nodes, data);
    this.#calls--;
  }

  #pipe({ variables, declares, commands }: Pipe, dot: GoValue): GoValue {
    let value: GoValue | undefined;
    for (const command of commands) value = this.#command(command, dot, value);
    const result = value ?? null;
    // A range sets its own, once for each item.
    const [only, second] = variables;
    if (only !== undefined && second === undefined) this.#set(only, result, declares);
    return result;
  }

  #command(command: Command, dot: GoValue, piped: GoValue | undefined): GoValue {
    this.#step();
    const [first, ...rest] = command;
    if (!first) throw failed("empty command");
    if (first.type !== "function") {
      if (rest.length > 0 || piped !== undefined)
        throw failed("can't give argument to non-function");
      return this.#operand(first, dot);
    }
    const args: GoValue[] = [];
    const isEnough = first.name === "and" ? false : first.name === "or" ? true : undefined;
    for (const operand of rest) {
      const value = this.#operand(operand, dot);
      // What comes after is not looked at (text/template since Go 1.18).
      if (isEnough !== undefined && isTrue(value) === isEnough) return value;
      args.push(value);
    }
    if (piped !== undefined) args.push(piped);
    return call(first.name, args, this.#context);
  }

  #operand(operand: Operand, dot: GoValue): GoValue {
    switch (operand.type) {
      case "literal":
        return operand.value;
      case "dot":
        return dot;
      case "variable":
        return this.#variable(operand.name).value;
      case "function":
        return call(operand.name, [], this.#context);
      case "pipe":
        return this.#pipe(operand.pipe, dot);
      case "fields": {
        let value = this.#operand(operand.of, dot);
        for (const name of operand.names) {
          const field = fieldOf(value, name);
          if (field === undefined) throw failed(`can't evaluate field ${name} in ${shown(value)}`);
          value = field;
        }
        return value;
      }
    }
  }

  #variable(name: string): Scope {
    const scope = this.#scopes.findLast((known) => known.name === name);
    if (!scope) throw failed(`undefined variable: ${name}`);
    return scope;
  }

  #set(name: string, value: GoValue, declares: boolean): void {
    if (declares) this.#scopes.push({ name, value });
    else this.#variable(name).value = value;
  }

  #scoped(action: () => Flow): Flow {
    const count = this.#scopes.length;
    const flow = action();
    this.#scopes.length = count;
    return flow;
  }

  #step(): void {
    if (++this.#steps > STEPS_MAX) throw failed("the template takes too many steps");
  }

  #write(text: string): void {
    this.output += text;
    if (this.output.length > OUTPUT_CHARS_MAX) throw failed("the template writes too much");
  }
}

function itemsOf(value: GoValue): readonly (readonly [key: GoValue, item: GoValue])[] {
  if (value === null) return [];
  if (isList(value)) return value.map((item, index) => [index, item]);
  if (isObject(value)) return Object.entries(value);
  if (typeof value === "number" && value <= STEPS_MAX) {
    return Array.from({ length: Math.max(0, Math.trunc(value)) }, (_, index) => [index, index]);
  }
  throw failed(`range can't iterate over ${shown(value)}`);
}
