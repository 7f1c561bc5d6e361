import { failed } from "./errors.ts";
import { str } from "./printing.ts";
import { type Arguments, numberOf, typeName, type Value } from "./values.ts";

/** What was given for each of these parameters, by place or by name. */
export function bound(
  what: string,
  { positional, named }: Arguments,
  parameters: readonly string[],
): (Value | undefined)[] {
  if (positional.length > parameters.length) {
    throw failed(`${what}() takes at most ${parameters.length} arguments`);
  }
  const values: (Value | undefined)[] = [...positional];
  for (const [name, value] of named) {
    const at = parameters.indexOf(name);
    if (at < 0) throw failed(`${what}() got an unexpected keyword argument '${name}'`);
    if (at < positional.length) throw failed(`${what}() got multiple values for '${name}'`);
    values[at] = value;
  }
  return values;
}

export function textOf(what: string, value: Value | undefined): string {
  if (typeof value === "string") return value;
  throw failed(`${what}: a string is wanted, not '${typeName(value ?? null)}'`);
}

export function integerOf(what: string, value: Value | undefined): number {
  const number = value === undefined || typeof value === "object" ? undefined : numberOf(value);
  if (number !== undefined && Number.isInteger(number)) return number;
  throw failed(`${what}: an integer is wanted, not ${str(value ?? null)}`);
}
