import { memberNamed, missing, pathGetter } from "./access.ts";
import { bound, integerOf, textOf } from "./bound-arguments.ts";
import { lengthOf, sliced } from "./code-points.ts";
import { failed } from "./errors.ts";
import { fixed, formatted } from "./format.ts";
import { toJson } from "./json.ts";
import { spendChars } from "./limits.ts";
import { float, repr, str } from "./printing.ts";
import { SEQUENCE_FILTERS } from "./sequence-filters.ts";
import { linesOf } from "./space.ts";
import { isTest, passes } from "./tests.ts";
import { capitalized, replaced, stripped, widened, withoutTags } from "./text.ts";
import {
  type Arguments,
  Float,
  Generator,
  isDict,
  isFloat,
  isTrue,
  itemsOf,
  numberOf,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

export type FilterFunction = (value: Value, args: Arguments) => Value;

/** https://jinja.palletsprojects.com/en/stable/templates/#list-of-builtin-filters */
const TEXT_FILTERS: Readonly<Record<string, FilterFunction>> = {
  string: (value) => str(value),
  safe: (value) => str(value),
  upper: (value) => str(value).toUpperCase(),
  lower: (value) => str(value).toLowerCase(),
  capitalize: (value) => capitalized(str(value)),
  title: (value) => str(value).replace(/[^\-\s({[<]+/gu, capitalized),
  trim: (value, args) => {
    const [chars = null] = bound("trim", args, ["chars"]);
    return stripped(str(value), chars === null ? undefined : str(chars), "both");
  },
  replace: (value, args) => {
    const [old = "", by = "", count = null] = bound("replace", args, ["old", "new", "count"]);
    const times = count === null ? -1 : integerOf("replace", count);
    return replaced(str(value), str(old), str(by), times);
  },
  indent: indented,
  format: (value, { positional, named }) => {
    if (named.size > 0) return formatted(str(value), new Map(named));
    return formatted(str(value), new Tuple(positional));
  },
  escape: (value) => escaped(str(value)),
  striptags: (value) => withoutTags(str(value)),
  urlencode: (value) => {
    if (!isDict(value)) return encoded(str(value), true);
    return [...Object.entries(value)]
      .map(([key, of]) => `${encoded(key)}=${encoded(str(of))}`)
      .join("&");
  },
  wordcount: (value) => str(value).match(/[\p{L}\p{N}_]+/gu)?.length ?? 0,
  center: (value, args) => {
    const [width = 80] = bound("center", args, ["width"]);
    return widened(str(value), integerOf("center", width), " ", "center");
  },
  truncate: truncated,
  tojson: toJson,
};

const OTHER_FILTERS: Readonly<Record<string, FilterFunction>> = {
  default: (value, args) => {
    const [otherwise = "", boolean = false] = bound("default", args, ["default_value", "boolean"]);
    const isMissing = value instanceof Undefined || (isTrue(boolean) && !isTrue(value));
    return isMissing ? otherwise : value;
  },
  int: (value, args) => {
    if (value instanceof Undefined) throw failed(value.why);
    const [otherwise = 0, base = 10] = bound("int", args, ["default", "base"]);
    return integerIn(value, integerOf("int", base)) ?? otherwise;
  },
  float: (value, args) => {
    if (value instanceof Undefined) throw failed(value.why);
    const [otherwise = Float.of(0)] = bound("float", args, ["default"]);
    const number = typeof value === "string" ? floatIn(value) : numberOf(value);
    return number === undefined ? otherwise : Float.of(number);
  },
  abs: (value) => {
    const number = numberOf(value);
    if (number === undefined) throw failed(`bad operand type for abs(): '${typeName(value)}'`);
    return isFloat(value) ? Float.of(Math.abs(number)) : Math.abs(number);
  },
  round: rounded,
  attr: (value, args) => {
    if (value instanceof Undefined) throw failed(value.why);
    const [name = ""] = bound("attr", args, ["name"]);
    const member = memberNamed(value, str(name));
    return member === undefined ? missing(value, str(name)) : member;
  },
  map: (value, args) => {
    if (!isTrue(value)) return new Generator([]);
    return new Generator(itemsOf(value).map(mapping(args)));
  },
  select: (value, args) => selected(value, args, true, false),
  reject: (value, args) => selected(value, args, false, false),
  selectattr: (value, args) => selected(value, args, true, true),
  rejectattr: (value, args) => selected(value, args, false, true),
};

const ALIASES: Readonly<Record<string, string>> = {
  ...{ d: "default", count: "length", e: "escape", forceescape: "escape" },
};
const FILTERS: Readonly<Record<string, FilterFunction>> = {
  ...TEXT_FILTERS,
  ...OTHER_FILTERS,
  ...SEQUENCE_FILTERS,
};

function filterNamed(name: string): FilterFunction | undefined {
  const known = Object.hasOwn(ALIASES, name) ? (ALIASES[name] ?? name) : name;
  return Object.hasOwn(FILTERS, known) ? FILTERS[known] : undefined;
}

export function filtered(name: string, value: Value, args: Arguments): Value {
  const filter = filterNamed(name);
  if (!filter) throw failed(`No filter named '${name}' found.`);
  return filter(value, args);
}

/** The test `is name`; here, as it may ask for a filter. */
export function tested(name: string, value: Value, args: Arguments): boolean {
  if (name === "filter") return typeof value === "string" && filterNamed(value) !== undefined;
  return passes(name, value, args);
}

function mapping({ positional, named }: Arguments): (value: Value) => Value {
  const [name, ...others] = positional;
  const attribute = named.get("attribute");
  if (name === undefined && attribute !== undefined)
    return pathGetter(attribute, named.get("default"));
  if (name === undefined) throw failed("map requires a filter argument");
  return (value) => filtered(str(name), value, { positional: others, named });
}

function selected(
  value: Value,
  { positional, named }: Arguments,
  keeps: boolean,
  byAttribute: boolean,
): Value {
  if (!isTrue(value)) return new Generator([]);
  const [first, ...others] = positional;
  if (byAttribute && first === undefined) throw failed("Missing parameter for attribute name");
  const part = byAttribute && first !== undefined ? pathGetter(first) : undefined;
  const [test, ...rest] = byAttribute ? others : positional;
  if (test !== undefined && str(test) !== "filter" && !isTest(str(test))) {
    throw failed(`No test named '${str(test)}' found.`);
  }
  const chosen = itemsOf(value).filter((item) => {
    const of = part ? part(item) : item;
    const holds =
      test === undefined ? isTrue(of) : tested(str(test), of, { positional: rest, named });
    return holds === keeps;
  });
  return new Generator(chosen);
}

function indented(value: Value, args: Arguments): string {
  const [width = 4, first = false, blank = false] = bound("indent", args, [
    "width",
    "first",
    "blank",
  ]);
  if (typeof value !== "string") throw failed(`indent: a string is wanted, not ${typeName(value)}`);
  const indent =
    typeof width === "string" ? width : " ".repeat(boundedWidth(integerOf("indent", width)));
  const lines = linesOf(`${value}\n`);
  spendChars(value.length + indent.length * lines.length);
  const [head = "", ...others] = lines;
  const tail = others
    .map((line) => `\n${line !== "" || isTrue(blank) ? indent : ""}${line}`)
    .join("");
  return (isTrue(first) ? indent : "") + head + tail;
}

function boundedWidth(width: number): number {
  spendChars(Math.max(0, width));
  return Math.max(0, width);
}

const ESCAPES: Readonly<Record<string, string>> = {
  ...{ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;" },
};

export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (char) => ESCAPES[char] ?? char);
}

function encoded(text: string, keepsSlashes = false): string {
  const all = encodeURIComponent(text.toWellFormed()).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return keepsSlashes ? all.replaceAll("%2F", "/") : all;
}

function truncated(value: Value, args: Arguments): string {
  const [size = 255, kills = false, end = "...", leeway = 5] = bound("truncate", args, [
    ...["length", "killwords", "end", "leeway"],
  ]);
  const text = textOf("truncate", value);
  const length = integerOf("truncate", size);
  const slack = leeway === null ? 5 : integerOf("truncate", leeway);
  if (lengthOf(text) <= length + slack) return text;
  const kept = sliced(text, 0, Math.max(0, length - lengthOf(str(end))));
  if (isTrue(kills)) return kept + str(end);
  const space = kept.lastIndexOf(" ");
  return (space < 0 ? kept : kept.slice(0, space)) + str(end);
}

function floatIn(text: string): number | undefined {
  const plain = stripped(text, undefined, "both").replace(/(?<=\d)_(?=\d)/g, "");
  const known = /^[-+]?(?:inf(?:inity)?|nan)$/i.exec(plain);
  if (known) {
    if (/nan/i.test(plain)) return Number.NaN;
    return plain.startsWith("-") ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  }
  return /^[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?$/i.test(plain) ? Number(plain) : undefined;
}

/** As Python's int() reads it, or else the whole part of what float() reads. */
function integerIn(value: Value, base: number): number | undefined {
  if (typeof value !== "string") {
    const number = numberOf(value);
    return number === undefined || !Number.isFinite(number) ? undefined : Math.trunc(number) + 0;
  }
  const plain = stripped(value, undefined, "both")
    .replace(/(?<=\w)_(?=\w)/g, "")
    .toLowerCase();
  const [, sign = "", digits = ""] = /^([-+]?)(.*)$/s.exec(plain) ?? [];
  const bare = digits.replace(
    base === 16 ? /^0x/ : base === 8 ? /^0o/ : base === 2 ? /^0b/ : /^$/,
    "",
  );
  const known = "0123456789abcdefghijklmnopqrstuvwxyz".slice(0, base);
  if (bare !== "" && [...bare].every((digit) => known.includes(digit))) {
    const number = Number.parseInt(bare, base);
    return sign === "-" ? 0 - number : number;
  }
  const number = floatIn(value);
  return number === undefined || !Number.isFinite(number) ? undefined : Math.trunc(number);
}

function rounded(value: Value, args: Arguments): Value {
  const [precision = 0, method = "common"] = bound("round", args, ["precision", "method"]);
  const number = numberOf(value);
  if (number === undefined) throw failed(`round: a number is wanted, not ${typeName(value)}`);
  const digits = Math.min(300, integerOf("round", precision));
  const power = 10 ** digits;
  if (method === "ceil") return Float.of(Math.ceil(number * power) / power);
  if (method === "floor") return Float.of(Math.floor(number * power) / power);
  if (method !== "common")
    throw failed(`method must be common, ceil or floor, not ${repr(method)}`);
  if (!isFloat(value) && digits >= 0) return number;
  if (digits < 0) {
    const even = Number(fixed(number * power, 0)) / power;
    return isFloat(value) ? Float.of(even) : even;
  }
  return Float.of(
    Number.isFinite(number) ? Number(fixed(number, Math.min(digits, 100))) : Number(float(number)),
  );
}
