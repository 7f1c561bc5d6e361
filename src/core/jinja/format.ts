import { failed } from "./errors.ts";
import { spendChars } from "./limits.ts";
import { float, integer, repr, str } from "./printing.ts";
import {
  isDict,
  isFloat,
  isList,
  memberOf,
  numberOf,
  Tuple,
  typeName,
  type Value,
} from "./values.ts";

const WIDTH_MAX = 100_000;

/** Python's `text % values`. */
export function formatted(format: string, given: Value): string {
  const values = given instanceof Tuple ? given.items : [given];
  let next = 0;
  const taken = (): Value => {
    const value = values[next++];
    if (value === undefined) throw failed("not enough arguments for format string");
    return value;
  };
  const text = format.replace(
    /%(?:\(([^)]*)\))?([-+ #0]*)(\*|\d*)(?:\.(\*|\d*))?[hlL]?([a-zA-Z%]?)/g,
    (
      _all,
      key: string | undefined,
      flags: string,
      wide: string,
      precise: string | undefined,
      verb: string,
    ) => {
      if (verb === "%") return "%";
      const width = Number(wide === "*" ? numberOf(taken()) : wide);
      const precision = precise === "*" ? numberOf(taken()) : precise && Number(precise);
      const value = key === undefined ? taken() : keyed(given, key);
      const shown = shownAs(verb, value, precision === "" ? 0 : precision, flags);
      return padded(shown, flags, width);
    },
  );
  if (next < values.length && !isDict(given) && !isList(given)) {
    throw failed("not all arguments converted during string formatting");
  }
  return text;
}

function keyed(given: Value, key: string): Value {
  const value = isDict(given) ? memberOf(given, key) : undefined;
  if (value === undefined) throw failed(`format requires a mapping with '${key}'`);
  return value;
}

function padded(shown: string, flags: string, width: number): string {
  if (!(width > shown.length)) return shown;
  if (width > WIDTH_MAX) throw failed("a width is too large");
  spendChars(width);
  if (flags.includes("-")) return shown.padEnd(width);
  if (!flags.includes("0") || !/\d/.test(shown)) return shown.padStart(width);
  const sign = /^[-+ ]/.test(shown) ? shown.charAt(0) : "";
  return sign + shown.slice(sign.length).padStart(width - sign.length, "0");
}

function shownAs(verb: string, value: Value, precision: number | undefined, flags: string): string {
  if (verb === "s" || verb === "r" || verb === "a") {
    const text = verb === "s" ? str(value) : repr(value);
    return precision === undefined ? text : [...text].slice(0, precision).join("");
  }
  if (verb === "c" && typeof value === "string") return value;
  const number = numberOf(value);
  if (number === undefined)
    throw failed(`%${verb} format: a number is required, not ${typeName(value)}`);
  const sign = number >= 0 ? (flags.includes("+") ? "+" : flags.includes(" ") ? " " : "") : "";
  return sign + numberAs(verb, number, precision, flags.includes("#"));
}

/** As `%` and str.format have it: d, f, e, g, x, o, b, c, and in upper case. */
export function numberAs(
  verb: string,
  value: number,
  precision: number | undefined,
  marked: boolean,
): string {
  const digits = Math.min(100, precision ?? 6);
  const whole = Math.trunc(value);
  const sign = whole < 0 ? "-" : "";
  const inBase = (base: number, mark: string): string =>
    sign + (marked ? mark : "") + BigInt(Math.abs(whole)).toString(base);
  switch (verb) {
    case "d":
    case "i":
    case "u":
      return sign + integer(Math.abs(whole)).padStart(precision ?? 0, "0");
    case "x":
      return inBase(16, "0x");
    case "X":
      return inBase(16, "0X").toUpperCase();
    case "o":
      return inBase(8, "0o");
    case "b":
      return inBase(2, "0b");
    case "c":
      return String.fromCodePoint(Math.min(0x10ffff, Math.max(0, whole)));
    case "f":
    case "F":
      return Number.isFinite(value) ? fixed(value, digits) : float(value);
    case "e":
    case "E":
      return cased(verb, exponential(value, digits));
    case "g":
    case "G":
      return cased(verb, general(value, digits));
    default:
      throw failed(`unsupported format character '${verb}'`);
  }
}

function cased(verb: string, text: string): string {
  return verb === "E" || verb === "G" ? text.toUpperCase() : text;
}

/** With this many digits; what lies exactly between two goes to the even one. */
export function fixed(value: number, digits: number): string {
  const text = value.toFixed(digits);
  if (Math.abs(value) >= 1e21)
    return `${BigInt(value)}${digits > 0 ? `.${"0".repeat(digits)}` : ""}`;
  const exact = Math.abs(value).toFixed(Math.min(100, digits + 40));
  const point = exact.indexOf(".");
  const rest = exact.slice(point + 1 + digits);
  if (!/^50*$/.test(rest)) return text;
  const down = exact.slice(0, digits > 0 ? point + 1 + digits : point);
  const isOdd = Number(down.at(-1)) % 2 === 1;
  const sign = value < 0 ? "-" : "";
  if (!isOdd) return sign + down;
  return sign + (Number(down) + 10 ** -digits).toFixed(digits);
}

function exponential(value: number, digits: number): string {
  return value.toExponential(digits).replace(/e([+-])(\d)$/, "e$10$2");
}

function general(value: number, digits: number): string {
  const significant = Math.max(1, digits);
  const exponent = value === 0 ? 0 : Number(value.toExponential(significant - 1).split("e")[1]);
  if (exponent < -4 || exponent >= significant) {
    return exponential(value, significant - 1).replace(/\.?0+e/, "e");
  }
  const text = value.toFixed(Math.min(100, significant - 1 - exponent));
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** Python's `text.format(…)`, with its fields by place, by name, and by what is inside of them. */
export function formattedFields(
  format: string,
  field: (path: string, index: number) => Value,
): string {
  let next = 0;
  return format.replace(
    /\{\{|\}\}|\{([^{}:!]*)(?:!([rsa]))?(?::([^{}]*))?\}|[{}]/g,
    (all: string, path: string | undefined, conversion: string | undefined, spec = "") => {
      if (all === "{{" || all === "}}") return all.charAt(0);
      if (path === undefined) throw failed("Single '}' or '{' encountered in format string");
      const value = field(path, /^(?=$|[.[])/.test(path) ? next++ : -1);
      if (conversion === "r" || conversion === "a") return spelled(repr(value), spec);
      return spelled(conversion === "s" ? str(value) : value, spec);
    },
  );
}

const SPEC = /^(?:(.)?([<>^=]))?([-+ ])?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([a-zA-Z%])?$/su;

function spelled(value: Value, spec: string): string {
  if (spec === "") return str(value);
  const match = SPEC.exec(spec);
  if (!match) throw failed("Invalid format specifier");
  const [, fill, align, sign, marked, zero, width = "0", group, precise, verb] = match;
  const number = typeof value === "string" ? undefined : numberOf(value);
  const precision = precise === undefined ? undefined : Number(precise);
  let text: string;
  if (number === undefined) {
    const all = str(value);
    text = precision === undefined ? all : [...all].slice(0, precision).join("");
  } else {
    const plain =
      isFloat(value) && precision === undefined ? undefined : isFloat(value) ? "g" : "d";
    const kind = verb ?? plain;
    text =
      kind === "%"
        ? `${fixed(number * 100, precision ?? 6)}%`
        : kind === undefined || kind === "s"
          ? str(value)
          : numberAs(kind, number, precision, marked !== undefined);
    if (group) text = text.replace(/\B(?=(\d{3})+(?!\d))(?<!\.\d*)/g, group);
    if (number >= 0 && (sign === "+" || sign === " ")) text = sign + text;
  }
  return aligned(
    text,
    Number(width),
    fill ?? (zero ? "0" : " "),
    align ?? (number === undefined ? "<" : zero ? "=" : ">"),
  );
}

function aligned(text: string, width: number, fill: string, align: string): string {
  const gap = width - [...text].length;
  if (gap <= 0) return text;
  if (width > WIDTH_MAX) throw failed("a width is too large");
  if (align === "<") return text + fill.repeat(gap);
  if (align === "^") {
    return fill.repeat(Math.floor(gap / 2)) + text + fill.repeat(Math.ceil(gap / 2));
  }
  const sign = align === "=" && /^[-+ ]/.test(text) ? text.charAt(0) : "";
  return sign + fill.repeat(gap) + text.slice(sign.length);
}
