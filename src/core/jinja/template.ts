import { Interpreter, Template } from "@huggingface/jinja";
import { pythonWords, type RuntimeValue } from "./python-words.ts";

// What chat templates in use ask of Jinja (https://jinja.palletsprojects.com/en/stable/templates/) and of Python, and the library
// lacks: loops over a text, `select`, `reject` and `map` by name, the characters that `strip` and `trim` shall take away, and
// Python's words for what is no text. It lets nobody add a filter, so here it is given a node that it knows in place of these,
// at the one method through which it evaluates everything.

export { Template };

/** Of the template, by the library's names (its ast.ts). */
interface Node {
  readonly type: string;
  readonly value?: unknown;
}

interface Value extends RuntimeValue {
  __bool__(): { readonly value: boolean };
}

interface Environment {
  readonly tests: ReadonlyMap<string, (value: Value, ...others: readonly Value[]) => boolean>;
}

/** In the scope where a node stands. */
type Evaluate = (node: Node) => Value;

const library: {
  evaluate(node: Node | undefined, environment: Environment): Value;
} = Interpreter.prototype;
const { evaluate } = library;

library.evaluate = function (node, environment) {
  const known = node && knownNode(node, environment, (part) => this.evaluate(part, environment));
  return known && isConstant(known) ? known.constant : evaluate.call(this, known, environment);
};

/** What has been evaluated already, where the library wants a node. */
interface Constant extends Node {
  readonly constant: Value;
}

function constant(value: Value): Constant {
  return { type: "Constant", constant: value };
}

function isConstant(node: Node): node is Constant {
  return node.type === "Constant";
}

interface For extends Node {
  readonly iterable: Node & { readonly lhs: Node };
}

interface Filter extends Node {
  readonly operand: Node;
  readonly filter: Node & Partial<Call>;
}

interface Call extends Node {
  readonly callee: Node & Partial<Member>;
  readonly args: readonly Node[];
}

interface Member extends Node {
  readonly object: Node;
  readonly property: Node;
  readonly computed: boolean;
}

function knownNode(node: Node, environment: Environment, evaluated: Evaluate): Node {
  if (node.type === "For") return loop(node as For, evaluated);
  if (node.type === "FilterExpression") return filtered(node as Filter, environment, evaluated);
  return node.type === "CallExpression" ? stripped(node as Call, evaluated) : node;
}

let textLoops = 0;

/** Whether a template loops over a text meanwhile: where that is a long one, it takes seconds. */
export function loopsOverText(render: () => void): boolean {
  const before = textLoops;
  render();
  return textLoops > before;
}

function loop(node: For, evaluated: Evaluate): Node {
  const { iterable } = node;
  const isSelected = iterable.type === "SelectExpression";
  const value = evaluated(isSelected ? iterable.lhs : iterable);
  if (value.type === "StringValue") textLoops++;
  const items = listNode(value);
  const changed: Node = isSelected ? { ...iterable, ...{ lhs: items } } : items;
  return { ...node, ...{ iterable: changed } };
}

/** A text is its characters, as Python has it. */
function listNode(value: Value): Node {
  if (value.type !== "StringValue") return constant(value);
  return list([...`${value.value}`].map(text));
}

function text(value: string): Node {
  return { type: "StringLiteral", value };
}

function list(value: readonly Node[]): Node {
  return { type: "ArrayLiteral", value };
}

function filtered(node: Filter, environment: Environment, evaluated: Evaluate): Node {
  const { callee, args = [] } = node.filter;
  const name = `${callee?.value ?? node.filter.value}`;
  if (!/^(string|trim|map|(select|reject)(attr)?)$/.test(name)) return node;
  const operand = evaluated(node.operand);
  const same: Node = { ...node, ...{ operand: constant(operand) } };
  const words = pythonWords(operand);
  if (words !== undefined && /^(string|trim)$/.test(name)) return text(words);
  if (name === "string") return same;
  if (name === "trim") return withoutEnds(operand, args[0] && evaluated(args[0]), "strip") ?? same;
  const items = evaluated(listNode(operand)).value;
  if (!Array.isArray(items)) return same;
  const values: readonly Value[] = items;
  if (name === "map") return mapped(values, args) ?? same;
  const keeps = name.startsWith("select");
  if (name.endsWith("attr")) {
    // A character has no attributes, so it fails each test.
    return operand.type === "StringValue" ? list(keeps ? [] : values.map(constant)) : same;
  }
  const passes = testOf(args.map(evaluated), environment, evaluated);
  return list(values.filter((value) => passes(value) === keeps).map(constant));
}

/** Each by the filter of that name. */
function mapped(values: readonly Value[], [name, ...args]: readonly Node[]): Node | undefined {
  if (name?.type !== "StringLiteral") return undefined;
  const callee: Node = { type: "Identifier", value: name.value };
  const filter: Filter["filter"] =
    args.length === 0 ? callee : { type: "CallExpression", callee, args };
  const nodes = values.map((value): Filter => {
    return { type: "FilterExpression", operand: constant(value), filter };
  });
  return list(nodes);
}

/** By a test's name and what it compares with; without one, whether a value is true. */
function testOf(
  [name, ...given]: readonly Value[],
  { tests }: Environment,
  evaluated: Evaluate,
): (value: Value) => boolean {
  if (!name) return (value) => value.__bool__().value;
  const test = tests.get(`${name.value}`);
  if (test) return (value) => test(value, ...given);
  if (name.value !== "in") throw new Error(`Unknown test: ${name.value}`);
  const right = given[0] ? constant(given[0]) : list([]);
  const operator = { value: "in" };
  return (value) => {
    const node = { type: "BinaryExpression", operator, left: constant(value), right };
    return evaluated(node).__bool__().value;
  };
}

/** The library's own take away white space, whatever they are told. */
function stripped(node: Call, evaluated: Evaluate): Node {
  const { callee, args } = node;
  const { object, property, computed } = callee;
  const name = `${property?.value}`;
  if (!object || computed || args.length !== 1 || !/^[lr]?strip$/.test(name)) return node;
  const value = evaluated(object);
  const ends = withoutEnds(value, args[0] && evaluated(args[0]), name);
  return ends ?? { ...node, ...{ callee: { ...callee, object: constant(value) } } };
}

/** A text without these characters at its ends, as Python's str.strip; undefined of what is none. */
function withoutEnds(value: Value, chars: Value | undefined, name: string): Node | undefined {
  if (value.type !== "StringValue" || chars?.type !== "StringValue") return undefined;
  const all = [...`${value.value}`];
  const gone = new Set(`${chars.value}`);
  let [from, to] = [0, all.length];
  if (name !== "rstrip") while (from < to && gone.has(all[from] ?? "")) from++;
  if (name !== "lstrip") while (from < to && gone.has(all[to - 1] ?? "")) to--;
  return text(all.slice(from, to).join(""));
}
