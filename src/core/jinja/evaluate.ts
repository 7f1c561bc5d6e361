import { failed, JinjaError, Refusal } from "./errors.ts";
import { callValue, evaluated, filterValue } from "./expression-value.ts";
import { CALLS_MAX, limited, OUTPUT_CHARS_MAX, spend } from "./limits.ts";
import { Loop } from "./loop.ts";
import type { For, MacroNode, Node, SetBlock, Target } from "./nodes.ts";
import { str } from "./printing.ts";
import { Scope } from "./scope.ts";
import {
  type Arguments,
  Callable,
  isTrue,
  itemsOf,
  Namespace,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

export function evaluate(root: readonly Node[], data: Readonly<Record<string, unknown>>): string {
  const evaluation = new Evaluation();
  try {
    return limited(() => evaluation.written(root, new Scope(undefined, data)));
  } catch (error) {
    // The only RangeErrors here are those of a stack that is full, and of a text that V8 has no room for.
    const known = error instanceof RangeError ? failed("the template goes too deep") : error;
    if (!(known instanceof JinjaError) || known instanceof Refusal) throw known;
    throw new JinjaError(known.code, `template, line ${evaluation.line}: ${known.message}`);
  }
}

type Flow = "on" | "break" | "continue";

class Evaluation {
  line = 1;
  #output = "";
  #calls = 0;

  /** What these write, apart from all else. */
  written(nodes: readonly Node[], scope: Scope): string {
    const outer = this.#output;
    this.#output = "";
    this.#list(nodes, scope);
    const text = this.#output;
    this.#output = outer;
    return text;
  }

  #list(nodes: readonly Node[], scope: Scope): Flow {
    for (const node of nodes) {
      const flow = this.#node(node, scope);
      if (flow !== "on") return flow;
    }
    return "on";
  }

  #node(node: Node, scope: Scope): Flow {
    spend(1);
    if (node.type === "text") {
      this.#write(node.text);
      return "on";
    }
    this.line = node.line;
    switch (node.type) {
      case "output":
        this.#write(str(evaluated(node.value, scope)));
        return "on";
      case "if": {
        for (const { condition, body } of node.branches) {
          if (isTrue(evaluated(condition, scope))) return this.#list(body, scope);
        }
        return this.#list(node.otherwise, scope);
      }
      case "for":
        return this.#for(node, evaluated(node.items, scope), scope, 1);
      case "set":
        assign(node.target, evaluated(node.value, scope), scope);
        return "on";
      case "set-block":
        this.#setBlock(node, scope);
        return "on";
      case "macro":
        scope.set(node.name, this.#macro(node, scope));
        return "on";
      case "call-block":
        this.#write(str(callValue(node.call, scope, this.#macro(node.caller, scope))));
        return "on";
      case "filter": {
        const body = this.written(node.body, new Scope(scope));
        this.#write(str(filterValue(node.filter, scope, body)));
        return "on";
      }
      case "with": {
        const inner = new Scope(scope);
        const values = node.sets.map(([, value]) => evaluated(value, scope));
        for (const [at, [target]] of node.sets.entries()) assign(target, values[at] ?? null, inner);
        return this.#list(node.body, inner);
      }
      case "break":
      case "continue":
        return node.type;
    }
  }

  #write(text: string): void {
    this.#output += text;
    if (this.#output.length > OUTPUT_CHARS_MAX) throw failed("the template writes too much");
  }

  #for(node: For, from: Value, outer: Scope, depth: number): Flow {
    const items = this.#chosen(node, itemsOf(from), outer);
    const again = (of: Value): Value =>
      this.#call(() => {
        const before = this.#output;
        this.#output = "";
        this.#for(node, of, outer, depth + 1);
        const text = this.#output;
        this.#output = before;
        return text;
      });
    const loop = new Loop(items, depth, node.recursive ? again : undefined);
    const scope = new Scope(outer);
    const names = namesIn(node.target) + 1;
    // What a template puts into the list while it goes through it comes too, as in Python.
    let isDone = false;
    for (; loop.at < items.length; loop.at++) {
      spend(1);
      scope.clear(names);
      scope.set("loop", loop);
      assign(node.target, items[loop.at] ?? null, scope);
      const flow = this.#list(node.body, scope);
      if (flow === "break") break;
      if (flow === "on") isDone = true;
    }
    // Jinja2's own: also where no turn has come to its end.
    return isDone ? "on" : this.#list(node.otherwise, outer);
  }

  #chosen({ target, condition }: For, items: readonly Value[], outer: Scope): readonly Value[] {
    if (!condition) return items;
    const scope = new Scope(outer);
    return items.filter((item) => {
      assign(target, item, scope);
      return isTrue(evaluated(condition, scope));
    });
  }

  #setBlock({ target, filter, body }: SetBlock, scope: Scope): void {
    const text = this.written(body, new Scope(scope));
    assign(target, filter ? filterValue(filter, scope, text) : text, scope);
  }

  #macro(node: MacroNode, scope: Scope): Callable {
    const members = new Map<string, Value>([
      ["name", node.name],
      ["arguments", new Tuple(node.parameters.map(({ name }) => name))],
      ["catch_varargs", node.takes.has("varargs")],
      ["catch_kwargs", node.takes.has("kwargs")],
      ["caller", node.takes.has("caller")],
    ]);
    const call = (args: Arguments): Value =>
      this.#call(() => {
        const { line } = this;
        const text = this.written(node.body, macroScope(node, args, new Scope(scope)));
        this.line = line;
        return text;
      });
    return new Callable(node.name, call, { shown: `<Macro '${node.name}'>`, members });
  }

  #call(run: () => Value): Value {
    if (++this.#calls > CALLS_MAX) throw failed("the template calls too deeply");
    const value = run();
    this.#calls--;
    return value;
  }
}

function namesIn(target: Target): number {
  if (target.type !== "targets") return 1;
  return target.targets.reduce((sum, one) => sum + namesIn(one), 0);
}

function assign(target: Target, value: Value, scope: Scope): void {
  switch (target.type) {
    case "name":
      scope.set(target.name, value);
      return;
    case "member": {
      const of = scope.get(target.of);
      if (!(of instanceof Namespace))
        throw failed("cannot assign attribute on non-namespace object");
      of.members.set(target.name, value);
      return;
    }
    case "targets": {
      const items = itemsOf(value);
      if (items.length !== target.targets.length) {
        const which = items.length < target.targets.length ? "not enough" : "too many";
        throw failed(`${which} values to unpack (expected ${target.targets.length})`);
      }
      for (const [at, one] of target.targets.entries()) assign(one, items[at] ?? null, scope);
    }
  }
}

/** With the arguments under their names; what is left goes where the macro asks for it, and is refused where it does not. */
function macroScope(node: MacroNode, { positional, named }: Arguments, scope: Scope): Scope {
  const { name, parameters, takes } = node;
  const rest = new Map(named);
  for (const [at, { name: parameter, fallback }] of parameters.entries()) {
    const given = at < positional.length ? positional[at] : named.get(parameter);
    const isLeft = rest.delete(parameter);
    if (isLeft && at < positional.length)
      throw failed(`macro '${name}' got two values for '${parameter}'`);
    if (given !== undefined) scope.set(parameter, given);
    else if (fallback) scope.set(parameter, evaluated(fallback, scope));
    else scope.set(parameter, new Undefined(`parameter '${parameter}' was not provided`));
  }
  const extra = positional.slice(parameters.length);
  if (takes.has("varargs")) scope.set("varargs", new Tuple(extra));
  else if (extra.length > 0) {
    throw failed(`macro '${name}' takes not more than ${parameters.length} argument(s)`);
  }
  const caller = rest.get("caller");
  if (takes.has("caller")) {
    scope.set("caller", caller ?? new Undefined("No caller defined"));
    rest.delete("caller");
  }
  if (takes.has("kwargs")) scope.set("kwargs", new Map(rest));
  else if (rest.size > 0) {
    const [first = ""] = rest.keys();
    throw failed(
      `macro '${name}' takes no keyword argument '${first}' (${typeName(rest.get(first) ?? null)})`,
    );
  }
  return scope;
}
