import { failed } from "./errors.ts";
import { formatted } from "./format.ts";
import { spend, spendChars, spendItems, TEXT_CHARS_MAX } from "./limits.ts";
import type { Operator } from "./nodes.ts";
import {
  Float,
  isFloat,
  isList,
  madeList,
  numberOf,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

export function calculated(operator: Operator, a: Value, b: Value): Value {
  if (operator === "+") {
    if (typeof a === "string" && typeof b === "string") return joined(a, b);
    if (isList(a) && isList(b)) return madeList(chained(a, b));
    if (a instanceof Tuple && b instanceof Tuple) return new Tuple(chained(a.items, b.items));
  }
  if (operator === "%" && typeof a === "string") return formatted(a, b);
  const [x, y] = [numberOf(a), numberOf(b)];
  if (x !== undefined && y !== undefined)
    return ofNumbers(operator, x, y, isFloat(a) || isFloat(b));
  if (operator === "*") {
    const repeated = y === undefined ? repeat(b, x, a) : repeat(a, y, b);
    if (repeated !== undefined) return repeated;
  }
  for (const value of [a, b]) if (value instanceof Undefined) throw failed(value.why);
  if (operator === "+" && typeof a === "string") {
    throw failed(`can only concatenate str (not "${typeName(b)}") to str`);
  }
  const names = `'${typeName(a)}' and '${typeName(b)}'`;
  throw failed(`unsupported operand type(s) for ${operator}: ${names}`);
}

/** JavaScript joins long texts without copying them. */
export function joined(a: string, b: string): string {
  if (a.length + b.length > TEXT_CHARS_MAX)
    throw failed("the template makes a text that is too long");
  spend(2);
  return a + b;
}

function chained(a: readonly Value[], b: readonly Value[]): Value[] {
  spendItems(a.length + b.length);
  return [...a, ...b];
}

function repeat(what: Value, times: number | undefined, by: Value): Value | undefined {
  if (times === undefined || isFloat(by)) return undefined;
  const count = Math.max(0, times);
  if (typeof what === "string") {
    spendChars(what.length * count);
    return what.repeat(what === "" ? 0 : count);
  }
  const items = what instanceof Tuple ? what.items : isList(what) ? what : undefined;
  if (!items) return undefined;
  spendItems(items.length * count);
  const all: Value[] = [];
  if (items.length > 0) for (let at = 0; at < count; at++) for (const item of items) all.push(item);
  return what instanceof Tuple ? new Tuple(all) : madeList(all);
}

function ofNumbers(operator: Operator, a: number, b: number, floats: boolean): Value {
  if (b === 0 && /[/%]/.test(operator)) throw failed("division by zero");
  const result = resultOf(operator, a, b);
  if (operator === "/" || (operator === "**" && b < 0)) return Float.of(result);
  if (floats) return Float.of(result);
  if (!Number.isFinite(result)) throw failed("a number is too large");
  return result === 0 ? 0 : result;
}

function resultOf(operator: Operator, a: number, b: number): number {
  switch (operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      return a / b;
    case "//":
      return Math.floor(a / b);
    case "%": {
      const rest = a % b;
      return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest;
    }
    case "**":
      return a ** b;
  }
}

export function signed(sign: "+" | "-", value: Value): Value {
  if (value instanceof Undefined) throw failed(value.why);
  const number = numberOf(value);
  if (number === undefined)
    throw failed(`bad operand type for unary ${sign}: '${typeName(value)}'`);
  const result = sign === "-" ? -number : number;
  return isFloat(value) ? Float.of(result) : result === 0 ? 0 : result;
}
