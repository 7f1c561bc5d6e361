import { failed } from "./errors.ts";
import { type GoValue, goJson, isList, isObject, isTrue, shown } from "./values.ts";

export interface FunctionContext {
  /** The wall clock, for the date. */
  readonly nowMs: number;
}

type GoFunction = (args: readonly GoValue[], context: FunctionContext) => GoValue;

const DAY_MS = 86_400_000;

/** Those of text/template ("Functions"), and Ollama's own. `and` and `or` do not look at what they do not need: see evaluate.ts. */
const FUNCTIONS: Readonly<Record<string, GoFunction>> = {
  and: (args) => args.find((arg) => !isTrue(arg)) ?? args.at(-1) ?? null,
  or: (args) => args.find(isTrue) ?? args.at(-1) ?? null,
  not: (args) => !isTrue(one("not", args)),
  eq: ([first = null, ...others]) => others.some((other) => compared("eq", first, other) === 0),
  ne: (args) => compared("ne", ...two("ne", args)) !== 0,
  lt: (args) => compared("lt", ...two("lt", args)) < 0,
  le: (args) => compared("le", ...two("le", args)) <= 0,
  gt: (args) => compared("gt", ...two("gt", args)) > 0,
  ge: (args) => compared("ge", ...two("ge", args)) >= 0,
  len: (args) => lengthOf(one("len", args)),
  index: ([value = null, ...keys]) => keys.reduce(itemAt, value),
  slice: ([value = null, ...bounds]) => sliceOf(value, bounds),
  print: (args) => printed(args),
  println: (args) => `${args.map(shown).join(" ")}\n`,
  printf: ([format, ...args]) => formatted(textOf("printf", format ?? null), args),
  html: (args) => printed(args).replace(/[&<>"'\0]/g, (char) => HTML[char] ?? char),
  js: (args) => printed(args).replace(/[\\'"<>&=\n\r\t]/g, (char) => JS[char] ?? char),
  urlquery: (args) => encodeURIComponent(printed(args)).replaceAll("%20", "+"),
  json: (args) => goJson(one("json", args)),
  currentDate: (_args, { nowMs }) => dateOf(nowMs),
  yesterdayDate: (_args, { nowMs }) => dateOf(nowMs - DAY_MS),
  toTypeScriptType: (args) => typeScriptOf(one("toTypeScriptType", args)),
};

const HTML: Readonly<Record<string, string>> = {
  ...{ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;", "\0": "\ufffd" },
};
const JS: Readonly<Record<string, string>> = {
  ...{ "\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026" },
  ...{ "=": "\\u003D", "\n": "\\u000A", "\r": "\\u000D", "\t": "\\u0009" },
};

export function isFunction(name: string): boolean {
  return Object.hasOwn(FUNCTIONS, name);
}

export function call(name: string, args: readonly GoValue[], context: FunctionContext): GoValue {
  const known = isFunction(name) ? FUNCTIONS[name] : undefined;
  if (!known) throw failed(`"${name}" is not a defined function`);
  return known(args, context);
}

function one(name: string, args: readonly GoValue[]): GoValue {
  const [only, ...more] = args;
  if (only === undefined || more.length > 0) throw countProblem(name, 1, args);
  return only;
}

function two(name: string, args: readonly GoValue[]): [GoValue, GoValue] {
  const [a, b, ...more] = args;
  if (a === undefined || b === undefined || more.length > 0) throw countProblem(name, 2, args);
  return [a, b];
}

function countProblem(name: string, wanted: number, args: readonly GoValue[]): Error {
  return failed(`wrong number of args for ${name}: want ${wanted} got ${args.length}`);
}

function textOf(name: string, value: GoValue): string {
  if (typeof value === "string") return value;
  throw failed(`error calling ${name}: a string is wanted`);
}

/** Negative, zero, positive. */
function compared(name: string, a: GoValue, b: GoValue): number {
  if (a === null || b === null) return a === b ? 0 : 1;
  const isPlain = typeof a !== "object" && typeof b !== "object";
  if (!isPlain || typeof a !== typeof b) {
    throw failed(`error calling ${name}: incompatible types for comparison`);
  }
  return a < b ? -1 : a > b ? 1 : 0;
}

function lengthOf(value: GoValue): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (isList(value)) return value.length;
  if (isObject(value)) return Object.keys(value).length;
  throw failed("error calling len: len of untyped nil");
}

function itemAt(value: GoValue, key: GoValue): GoValue {
  if (isList(value)) {
    const item = typeof key === "number" ? value[key] : undefined;
    if (item !== undefined) return item;
    throw failed(`error calling index: index out of range: ${shown(key)}`);
  }
  if (isObject(value)) return Object.hasOwn(value, shown(key)) ? (value[shown(key)] ?? null) : null;
  if (typeof value === "string" && typeof key === "number") {
    const byte = Buffer.from(value)[key];
    if (byte !== undefined) return byte;
  }
  throw failed("error calling index: can't index item");
}

function sliceOf(value: GoValue, bounds: readonly GoValue[]): GoValue {
  const size = lengthOf(value);
  const [start = 0, end = size] = bounds;
  if (
    typeof start !== "number" ||
    typeof end !== "number" ||
    start < 0 ||
    start > end ||
    end > size
  ) {
    throw failed("error calling slice: index out of range");
  }
  if (isList(value)) return value.slice(start, end);
  return Buffer.from(textOf("slice", value)).subarray(start, end).toString();
}

/** fmt.Sprint: a space between two where neither is a string. */
function printed(args: readonly GoValue[]): string {
  return args.reduce<string>((text, arg, index) => {
    const isSpaced =
      index > 0 && typeof arg !== "string" && typeof args[index - 1] !== "string" ? " " : "";
    return text + isSpaced + shown(arg);
  }, "");
}

/** As many as a conversation has messages: templates count by the length of a text so wide. */
const WIDTH_MAX = 10_000;

/** The verbs that templates use, with flags, width and precision, which * takes from the arguments. */
function formatted(format: string, args: readonly GoValue[]): string {
  let next = 0;
  return format.replace(
    /%([-+0 ]*)(\*|\d*)(?:\.(\*|\d*))?([a-zA-Z%])/g,
    (_all, flags: string, wide: string, precise: string | undefined, verb: string) => {
      if (verb === "%") return "%";
      const width = wide === "*" ? args[next++] : Number(wide);
      const bad = typeof width === "number" ? "" : "%!(BADWIDTH)";
      const precision = precise === "*" ? args[next++] : precise && Number(precise);
      const arg = args[next++];
      if (arg === undefined) return `${bad}%!${verb}(MISSING)`;
      const text = verbatim(verb, arg, typeof precision === "number" ? precision : undefined);
      const size = typeof width === "number" ? Math.min(WIDTH_MAX, Math.abs(width)) : 0;
      const isLeft = flags.includes("-") || Number(width) < 0;
      if (isLeft) return bad + text.padEnd(size);
      return bad + text.padStart(size, flags.includes("0") && typeof arg === "number" ? "0" : " ");
    },
  );
}

function verbatim(verb: string, arg: GoValue, precision: number | undefined): string {
  if (verb === "q") return JSON.stringify(shown(arg));
  if (verb === "d" && typeof arg === "number") return String(Math.trunc(arg));
  if (verb === "x" && typeof arg === "number") return Math.trunc(arg).toString(16);
  if (verb === "f" && typeof arg === "number") return arg.toFixed(Math.min(100, precision ?? 6));
  if (verb === "v" || verb === "s" || (verb === "t" && typeof arg === "boolean")) {
    const text = shown(arg);
    return precision !== undefined && verb === "s" ? [...text].slice(0, precision).join("") : text;
  }
  return `%!${verb}(${shown(arg)})`;
}

function dateOf(ms: number): string {
  const date = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

const TYPE_SCRIPT: Readonly<Record<string, string>> = {
  ...{ string: "string", number: "number", integer: "number", boolean: "boolean" },
  ...{ array: "any[]", object: "Record<string, any>", null: "null" },
};

/** Of a property of a tool's parameters, as JSON Schema has it. */
function typeScriptOf(property: GoValue): string {
  if (!isObject(property)) return "any";
  const { anyOf, type } = property;
  if (anyOf !== undefined && isList(anyOf) && anyOf.length > 0) {
    return anyOf.map(typeScriptOf).join(" | ");
  }
  const types = isList(type ?? null) ? (type as readonly GoValue[]) : [type ?? null];
  return types.map((name) => TYPE_SCRIPT[shown(name)] ?? "any").join(" | ");
}
