import { spend, spendChars } from "./limits.ts";
import {
  Callable,
  entriesOf,
  Float,
  Generator,
  isDict,
  isList,
  itemsOf,
  Members,
  Namespace,
  Range,
  Tuple,
  Undefined,
  type Value,
  View,
} from "./values.ts";

/** Python's str(). */
export function str(value: Value): string {
  if (typeof value === "string") return value;
  return value instanceof Undefined ? "" : repr(value);
}

/** Python's repr(). */
export function repr(value: Value): string {
  spend(4);
  if (value === null) return "None";
  if (typeof value === "string") return quoted(value);
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") return Number.isInteger(value) ? integer(value) : float(value);
  if (value instanceof Float) return float(value.value);
  if (isList(value)) return `[${value.map(repr).join(", ")}]`;
  if (isDict(value)) return dict(entriesOf(value));
  if (typeof value === "function") return "<function>";
  if (value instanceof Tuple) {
    const [only, second] = value.items;
    if (only !== undefined && second === undefined) return `(${repr(only)},)`;
    return `(${value.items.map(repr).join(", ")})`;
  }
  if (value instanceof Undefined) return "Undefined";
  if (value instanceof Range) {
    const step = value.step === 1 ? "" : `, ${value.step}`;
    return `range(${value.start}, ${value.stop}${step})`;
  }
  if (value instanceof View) return `dict_${value.kind}(${repr(itemsOf(value))})`;
  if (value instanceof Namespace) return `<Namespace ${dict([...value.members])}>`;
  if (value instanceof Callable) return value.shown;
  if (value instanceof Members) return value.shown();
  return value instanceof Generator ? "<generator object>" : "<object>";
}

function dict(entries: readonly (readonly [Value, Value])[]): string {
  return `{${entries.map(([key, value]) => `${repr(key)}: ${repr(value)}`).join(", ")}}`;
}

export function integer(value: number): string {
  return Math.abs(value) < 1e15 ? `${value === 0 ? 0 : value}` : BigInt(value).toString();
}

/** The shortest that reads back the same; with an exponent outside 1e-4 to 1e16. */
export function float(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
  if (Object.is(value, -0)) return "-0.0";
  const [mantissa = "", power = ""] = value.toExponential().split("e");
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 16) {
    const digits = `${Math.abs(exponent)}`.padStart(2, "0");
    return `${mantissa}e${exponent < 0 ? "-" : "+"}${digits}`;
  }
  if (exponent < 0) {
    const digits = mantissa.replace(/[-.]/g, "");
    return `${value < 0 ? "-" : ""}0.${"0".repeat(-exponent - 1)}${digits}`;
  }
  return Number.isInteger(value) ? `${value}.0` : `${value}`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  ...{ "\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\" },
};

/** In double quotes where there is a single one and no double one. */
function quoted(text: string): string {
  spendChars(text.length);
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replace(/[^\x20-\x5b\x5d-\x7e]/gu, (char) => escapedChar(char));
  return quote + escaped.replaceAll(quote, `\\${quote}`) + quote;
}

function escapedChar(char: string): string {
  const known = ESCAPES[char];
  if (known !== undefined) return known;
  if (!/[\p{C}\p{Z}]/u.test(char)) return char;
  const hex = (char.codePointAt(0) ?? 0).toString(16);
  if (hex.length <= 2) return `\\x${hex.padStart(2, "0")}`;
  return hex.length <= 4 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}
