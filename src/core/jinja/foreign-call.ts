import { failed } from "./errors.ts";
import { spend } from "./limits.ts";
import { str } from "./printing.ts";
import {
  type Arguments,
  entriesOf,
  Float,
  type ForeignFunction,
  isDict,
  isList,
  Tuple,
  Undefined,
  type Value,
} from "./values.ts";

/** Calls a function that came with the data. It knows JavaScript's values only; what has a name comes last, in an object. */
export function called(foreign: ForeignFunction, { positional, named }: Arguments): Value {
  const options = named.size > 0 ? [plain(new Map(named))] : [];
  const result = foreign(...positional.map(plain), ...options);
  if (result === undefined) return null;
  if (typeof result === "symbol" || typeof result === "bigint")
    throw failed("a function's bad value");
  return result as Value;
}

function plain(value: Value): unknown {
  spend(1);
  if (value instanceof Float) return value.value;
  if (value instanceof Undefined) return undefined;
  if (value instanceof Tuple) return value.items.map(plain);
  if (isList(value)) return value.map(plain);
  if (value instanceof Map || isDict(value)) {
    return Object.fromEntries(entriesOf(value).map(([key, of]) => [str(key), plain(of)]));
  }
  return value;
}
