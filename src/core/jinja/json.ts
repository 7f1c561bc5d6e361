import { bound } from "./bound-arguments.ts";
import { inOrder } from "./comparison.ts";
import { failed } from "./errors.ts";
import { spend, spendChars } from "./limits.ts";
import { float, integer, str } from "./printing.ts";
import {
  type Arguments,
  type Dict,
  entriesOf,
  Float,
  isDict,
  isList,
  isTrue,
  itemsOf,
  type PlainObject,
  Tuple,
  typeName,
  type Value,
} from "./values.ts";

interface Form {
  readonly ascii: boolean;
  /** Undefined: all in one line. */
  readonly indent: string | undefined;
  readonly comma: string;
  readonly colon: string;
  readonly sorts: boolean;
}

/** The filter `tojson` as transformers has it: Python's json.dumps. */
export function toJson(value: Value, args: Arguments): string {
  const [ascii = false, indent = null, separators = null, sorts = false] = bound("tojson", args, [
    ...["ensure_ascii", "indent", "separators", "sort_keys"],
  ]);
  const [comma, colon] =
    separators === null ? [indent === null ? ", " : ",", ": "] : itemsOf(separators).map(str);
  if (comma === undefined || colon === undefined) throw failed("tojson: two separators are wanted");
  return written(
    value,
    { ascii: isTrue(ascii), indent: indentOf(indent), comma, colon, sorts: isTrue(sorts) },
    "\n",
  );
}

const INDENT_MAX = 1000;

function indentOf(indent: Value): string | undefined {
  if (indent === null) return undefined;
  if (typeof indent === "string") return indent.slice(0, INDENT_MAX);
  const width = typeof indent === "boolean" ? Number(indent) : indent;
  if (typeof width !== "number" || !Number.isInteger(width)) throw failed("tojson: a bad indent");
  return " ".repeat(Math.min(INDENT_MAX, Math.max(0, width)));
}

function written(value: Value, form: Form, lineStart: string): string {
  spend(1);
  if (value === null) return "null";
  if (typeof value === "boolean") return `${value}`;
  if (typeof value === "string") return quoted(value, form.ascii);
  if (typeof value === "number" || value instanceof Float) return numeral(value);
  const items = isList(value) ? value : value instanceof Tuple ? value.items : undefined;
  if (!items && !isDict(value)) {
    throw failed(`Object of type ${typeName(value)} is not JSON serializable`);
  }
  const inside = form.indent === undefined ? "" : lineStart + form.indent;
  const outside = form.indent === undefined ? "" : lineStart;
  const next = form.indent === undefined ? lineStart : inside;
  const parts = items
    ? items.map((item) => written(item, form, next))
    : pairsOf(isDict(value) ? value : {}, form).map(
        ([key, of]) => `${quoted(key, form.ascii)}${form.colon}${written(of, form, next)}`,
      );
  const [open, close] = items ? "[]" : "{}";
  if (parts.length === 0) return `${open}${close}`;
  spendChars((inside.length + form.comma.length) * parts.length);
  return `${open}${inside}${parts.join(form.comma + inside)}${outside}${close}`;
}

function pairsOf(value: Dict | PlainObject, { sorts }: Form): [string, Value][] {
  const entries = entriesOf(value);
  if (sorts) entries.sort(([a], [b]) => inOrder(a, b));
  return entries.map(([key, of]) => [keyText(key), of]);
}

function keyText(key: Value): string {
  if (typeof key === "string") return key;
  if (key === null) return "null";
  if (typeof key === "boolean") return `${key}`;
  if (typeof key === "number" || key instanceof Float) return numeral(key);
  throw failed(`keys must be str, int, float, bool or None, not ${typeName(key)}`);
}

function numeral(value: number | Float): string {
  if (value instanceof Float) return float(value.value);
  if (Number.isInteger(value)) return integer(value);
  return float(value).replace("inf", "Infinity").replace("nan", "NaN");
}

const ESCAPES: Readonly<Record<string, string>> = {
  ...{ "\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\", '"': '\\"', "\b": "\\b", "\f": "\\f" },
};
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON escapes them
const ESCAPED = /["\\\0-\x1f]/g;
const ESCAPED_ASCII = /["\\]|[^ -~]/g;

function quoted(text: string, ascii: boolean): string {
  spendChars(text.length);
  const escaped = text.replace(ascii ? ESCAPED_ASCII : ESCAPED, (char) => {
    return ESCAPES[char] ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
  return `"${escaped}"`;
}
