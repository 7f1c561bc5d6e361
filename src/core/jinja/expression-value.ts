import { attributeOf, itemOf, sliceOf } from "./access.ts";
import { calculated, joined, signed } from "./arithmetic.ts";
import { holds } from "./comparison.ts";
import { failed } from "./errors.ts";
import { escaped, filtered, tested } from "./filters.ts";
import { called } from "./foreign-call.ts";
import { spend, spendItems } from "./limits.ts";
import { Loop } from "./loop.ts";
import type { Binary, Call, CallArguments, Compare, Expression, Filter } from "./nodes.ts";
import { str } from "./printing.ts";
import type { Scope } from "./scope.ts";
import {
  type Arguments,
  Callable,
  type Dict,
  entriesOf,
  isDict,
  isTrue,
  itemsOf,
  keyOf,
  madeList,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

export function evaluated(expression: Expression, scope: Scope): Value {
  spend(1);
  switch (expression.type) {
    case "constant":
      return expression.value;
    case "name":
      return scope.get(expression.name);
    case "attribute":
      return attributeOf(evaluated(expression.of, scope), expression.name);
    case "item":
      return itemOf(evaluated(expression.of, scope), evaluated(expression.key, scope));
    case "slice": {
      const of = evaluated(expression.of, scope);
      const bound = (one: Expression | undefined) => one && evaluated(one, scope);
      return sliceOf(of, {
        start: bound(expression.start),
        stop: bound(expression.stop),
        step: bound(expression.step),
      });
    }
    case "compare":
      return isHolding(expression, scope);
    case "and": {
      const left = evaluated(expression.left, scope);
      return isTrue(left) ? evaluated(expression.right, scope) : left;
    }
    case "or": {
      const left = evaluated(expression.left, scope);
      return isTrue(left) ? left : evaluated(expression.right, scope);
    }
    case "not":
      return !isTrue(evaluated(expression.of, scope));
    case "test": {
      const of = evaluated(expression.of, scope);
      return tested(expression.name, of, argumentsOf(expression.args, scope));
    }
    case "filter":
      return filterValue(expression, scope);
    case "call":
      return callValue(expression, scope);
    case "binary":
      return binaryValue(expression, scope);
    case "concat":
      return expression.parts.reduce((text, part) => joined(text, str(evaluated(part, scope))), "");
    case "sign":
      return signed(expression.sign, evaluated(expression.of, scope));
    case "conditional": {
      if (isTrue(evaluated(expression.condition, scope))) return evaluated(expression.then, scope);
      if (expression.otherwise) return evaluated(expression.otherwise, scope);
      return new Undefined("the inline if-expression evaluated to false and no else was given");
    }
    case "list":
      return madeList(expression.items.map((item) => evaluated(item, scope)));
    case "tuple":
      return new Tuple(expression.items.map((item) => evaluated(item, scope)));
    case "dict": {
      const dict: Dict = new Map();
      for (const [key, value] of expression.pairs) {
        dict.set(keyOf(evaluated(key, scope), dict), evaluated(value, scope));
      }
      return dict;
    }
  }
}

function binaryValue({ operator, left, right }: Binary, scope: Scope): Value {
  const [a, b] = [evaluated(left, scope), evaluated(right, scope)];
  if (operator !== "+" || isMarkup(left) === isMarkup(right)) return calculated(operator, a, b);
  return isMarkup(left) ? calculated("+", a, inMarkup(b)) : calculated("+", inMarkup(a), b);
}

/** Python's `safe` gives a Markup, which escapes the text that is added to it; it is told by its words here. */
function isMarkup(expression: Expression): boolean {
  if (expression.type === "filter") return /^(safe|e|escape|forceescape)$/.test(expression.name);
  if (expression.type !== "binary" || expression.operator !== "+") return false;
  return isMarkup(expression.left) || isMarkup(expression.right);
}

function inMarkup(value: Value): Value {
  return typeof value === "string" ? escaped(value) : value;
}

function isHolding({ first, others }: Compare, scope: Scope): boolean {
  let left = evaluated(first, scope);
  for (const { comparison, value } of others) {
    const right = evaluated(value, scope);
    if (!holds(comparison, left, right)) return false;
    left = right;
  }
  return true;
}

/** A filter's, whose innermost operand may be what a block has written. */
export function filterValue({ name, of, args }: Filter, scope: Scope, body: Value = ""): Value {
  // A Markup is not escaped once more.
  if (/^(e|escape)$/.test(name) && of && isMarkup(of)) return evaluated(of, scope);
  const value =
    of?.type === "filter" ? filterValue(of, scope, body) : of ? evaluated(of, scope) : body;
  return filtered(name, value, argumentsOf(args, scope));
}

/** With the block of a `{% call %}`, where there is one. */
export function callValue({ of, args }: Call, scope: Scope, caller?: Value): Value {
  const callee = evaluated(of, scope);
  const given = argumentsOf(args, scope);
  const all =
    caller === undefined ? given : { ...given, named: new Map(given.named).set("caller", caller) };
  if (callee instanceof Callable) return callee.call(all);
  if (callee instanceof Loop) return callee.again(all.positional[0] ?? null);
  if (typeof callee === "function") return called(callee, all);
  if (callee instanceof Undefined) throw failed(callee.why);
  throw failed(`'${typeName(callee)}' object is not callable`);
}

const NOTHING: Arguments = { positional: [], named: new Map() };

function argumentsOf(
  { positional, named, spread, spreadNamed }: CallArguments,
  scope: Scope,
): Arguments {
  if (positional.length === 0 && named.length === 0 && !spread && !spreadNamed) return NOTHING;
  const values = positional.map((value) => evaluated(value, scope));
  if (spread) values.push(...itemsOf(evaluated(spread, scope)));
  const byName = new Map(named.map(([name, value]) => [name, evaluated(value, scope)]));
  if (spreadNamed) {
    const all = evaluated(spreadNamed, scope);
    if (!isDict(all)) throw failed("argument after ** must be a mapping");
    for (const [key, value] of entriesOf(all)) byName.set(str(key), value);
  }
  spendItems(values.length + byName.size);
  return { positional: values, named: byName };
}
