import { dictMethod, listMethod, tupleMethod } from "./collection-methods.ts";
import { textMethod } from "./text-methods.ts";
import { type Arguments, Callable, isDict, isList, Tuple, type Value } from "./values.ts";

/** Undefined where Python has none of that name. */
export function methodOf(of: Value, name: string): Value | undefined {
  const method = found(of, name);
  if (!method) return undefined;
  return new Callable(name, method, { shown: `<built-in method ${name}>` });
}

function found(of: Value, name: string): ((args: Arguments) => Value) | undefined {
  if (typeof of === "string") return textMethod(of, name);
  if (isList(of)) return listMethod(of, name);
  if (isDict(of)) return dictMethod(of, name);
  return of instanceof Tuple ? tupleMethod(of, name) : undefined;
}
