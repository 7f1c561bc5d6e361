import { calculated } from "./arithmetic.ts";
import { holds, isEqual, isIn } from "./comparison.ts";
import { failed } from "./errors.ts";
import type { Comparison } from "./nodes.ts";
import { str } from "./printing.ts";
import {
  type Arguments,
  Callable,
  Generator,
  isDict,
  isFloat,
  isList,
  numberOf,
  Range,
  Tuple,
  Undefined,
  type Value,
  View,
} from "./values.ts";

type Test = (value: Value, argument: Value) => boolean;

/** https://jinja.palletsprojects.com/en/stable/templates/#list-of-builtin-tests */
const TESTS: Readonly<Record<string, Test>> = {
  defined: (value) => !(value instanceof Undefined),
  undefined: (value) => value instanceof Undefined,
  none: (value) => value === null,
  boolean: (value) => typeof value === "boolean",
  true: (value) => value === true,
  false: (value) => value === false,
  integer: (value) => typeof value === "number" && Number.isInteger(value),
  float: (value) => isFloat(value),
  number: (value) => numberOf(value) !== undefined,
  string: (value) => typeof value === "string",
  mapping: (value) => isDict(value),
  sequence: isSequence,
  iterable: (value) => isSequence(value) || value instanceof View || value instanceof Generator,
  callable: (value) =>
    value instanceof Callable || value instanceof Undefined || typeof value === "function",
  lower: (value) => isCased(str(value), str(value).toLowerCase()),
  upper: (value) => isCased(str(value), str(value).toUpperCase()),
  odd: (value) => isEqual(calculated("%", value, 2), 1),
  even: (value) => isEqual(calculated("%", value, 2), 0),
  divisibleby: (value, by) => isEqual(calculated("%", value, by), 0),
  sameas: isSame,
  escaped: () => false,
  in: isIn,
  test: (value) => typeof value === "string" && isTest(value),
};

const COMPARISONS: Readonly<Record<string, Comparison>> = {
  ...{ eq: "==", equalto: "==", "==": "==", ne: "!=", "!=": "!=" },
  ...{ lt: "<", lessthan: "<", "<": "<", le: "<=", "<=": "<=" },
  ...{ gt: ">", greaterthan: ">", ">": ">", ge: ">=", ">=": ">=" },
};
const BINARY: ReadonlySet<string> = new Set(["divisibleby", "sameas", "in"]);

export function isTest(name: string): boolean {
  return Object.hasOwn(TESTS, name) || Object.hasOwn(COMPARISONS, name);
}

export function passes(name: string, value: Value, { positional, named }: Arguments): boolean {
  const [argument, ...others] = [...positional, ...named.values()];
  const comparison = Object.hasOwn(COMPARISONS, name) ? COMPARISONS[name] : undefined;
  const test = Object.hasOwn(TESTS, name) ? TESTS[name] : undefined;
  if (!comparison && !test) throw failed(`No test named '${name}' found.`);
  const isBinary = comparison !== undefined || BINARY.has(name);
  if ((argument !== undefined) !== isBinary || others.length > 0) {
    throw failed(`the test '${name}' takes ${isBinary ? "one argument" : "no arguments"}`);
  }
  if (comparison) return holds(comparison, value, argument ?? null);
  return test?.(value, argument ?? null) ?? false;
}

function isSequence(value: Value): boolean {
  if (typeof value === "string" || isList(value) || isDict(value)) return true;
  return value instanceof Tuple || value instanceof Range || value instanceof Undefined;
}

function isCased(text: string, cased: string): boolean {
  return text === cased && text.toLowerCase() !== text.toUpperCase();
}

/** Python's `is`. */
function isSame(a: Value, b: Value): boolean {
  return a === b || (isFloat(a) && isFloat(b) && numberOf(a) === numberOf(b));
}
