import { bound, integerOf, textOf } from "./bound-arguments.ts";
import { lengthOf, placeOf, sliced } from "./code-points.ts";
import { failed } from "./errors.ts";
import { formattedFields } from "./format.ts";
import { spendChars, spendItems } from "./limits.ts";
import { str } from "./printing.ts";
import { isSpace, linesOf, wordsOf } from "./space.ts";
import { capitalized, replaced, stripped, swapped, titled, widened } from "./text.ts";
import {
  type Arguments,
  isTrue,
  itemsOf,
  madeList,
  memberOf,
  Tuple,
  type Value,
} from "./values.ts";

type Method = (text: string, args: Arguments) => Value;

const METHODS: Readonly<Record<string, Method>> = {
  upper: (text) => text.toUpperCase(),
  lower: (text) => text.toLowerCase(),
  casefold: (text) => text.toUpperCase().toLowerCase(),
  capitalize: capitalized,
  title: titled,
  swapcase: swapped,
  strip: (text, args) => stripped(text, charsOf(args), "both"),
  lstrip: (text, args) => stripped(text, charsOf(args), "start"),
  rstrip: (text, args) => stripped(text, charsOf(args), "end"),
  split: (text, args) => madeList(split(text, args)),
  rsplit: (text, args) => madeList(splitFromEnd(text, args)),
  splitlines: (text, args) => {
    const [keepEnds = false] = bound("splitlines", args, ["keepends"]);
    return madeList(linesOf(text, isTrue(keepEnds)));
  },
  replace: (text, args) => {
    const [old, by, count = -1] = bound("replace", args, ["old", "new", "count"]);
    const times = integerOf("replace", count);
    return replaced(text, textOf("replace", old), textOf("replace", by), times);
  },
  startswith: (text, args) => isAtEdge(text, args, (part, edge) => part.startsWith(edge)),
  endswith: (text, args) => isAtEdge(text, args, (part, edge) => part.endsWith(edge)),
  removeprefix: (text, args) => {
    const edge = textOf("removeprefix", bound("removeprefix", args, ["prefix"])[0]);
    return text.startsWith(edge) ? text.slice(edge.length) : text;
  },
  removesuffix: (text, args) => {
    const edge = textOf("removesuffix", bound("removesuffix", args, ["suffix"])[0]);
    return edge !== "" && text.endsWith(edge) ? text.slice(0, -edge.length) : text;
  },
  find: (text, args) => found(text, args, "first"),
  rfind: (text, args) => found(text, args, "last"),
  index: (text, args) => foundOrFailed(text, args, "first"),
  rindex: (text, args) => foundOrFailed(text, args, "last"),
  count: (text, args) => {
    const { part, sought } = within("count", text, args);
    return sought === "" ? lengthOf(part) + 1 : part.split(sought).length - 1;
  },
  partition: (text, args) => {
    const mark = separatorOf("partition", args);
    return parted(text, mark, text.indexOf(mark), [text, "", ""]);
  },
  rpartition: (text, args) => {
    const mark = separatorOf("rpartition", args);
    return parted(text, mark, text.lastIndexOf(mark), ["", "", text]);
  },
  join: (text, args) => {
    const [items = null] = bound("join", args, ["iterable"]);
    const parts = itemsOf(items).map((item) => textOf("join", item));
    spendChars(parts.reduce((sum, part) => sum + part.length + text.length, 0));
    return parts.join(text);
  },
  format: (text, { positional, named }) =>
    formattedFields(text, (path, index) => {
      const [name = "", ...rest] = path
        .split(/[.[\]]+/)
        .filter((part, at) => at === 0 || part !== "");
      const first =
        index >= 0
          ? positional[index]
          : /^\d+$/.test(name)
            ? positional[Number(name)]
            : named.get(name);
      if (first === undefined)
        throw failed("Replacement index out of range for positional args tuple");
      return rest.reduce<Value>(inside, first);
    }),
  center: (text, args) => wide(text, args, "center"),
  ljust: (text, args) => wide(text, args, "left"),
  rjust: (text, args) => wide(text, args, "right"),
  zfill: (text, args) => {
    const [width] = bound("zfill", args, ["width"]);
    const sign = /^[-+]/.test(text) ? text.charAt(0) : "";
    const length = integerOf("zfill", width) - sign.length;
    return sign + widened(text.slice(sign.length), length, "0", "right");
  },
  expandtabs: (text, args) => {
    const size = Math.min(
      100,
      integerOf("expandtabs", bound("expandtabs", args, ["tabsize"])[0] ?? 8),
    );
    return text.replace(/[^\t\n\r]*\t/g, (part) => {
      const filled = part.length - 1;
      return part.slice(0, -1) + (size > 0 ? " ".repeat(size - (filled % size)) : "");
    });
  },
  isdigit: (text) => /^[\p{Nd}\u00b2\u00b3\u00b9\u2070-\u2079\u2080-\u2089]+$/u.test(text),
  isdecimal: (text) => /^\p{Nd}+$/u.test(text),
  isnumeric: (text) => /^\p{N}+$/u.test(text),
  isalpha: (text) => /^\p{L}+$/u.test(text),
  isalnum: (text) => /^[\p{L}\p{N}]+$/u.test(text),
  isascii: (text) => !/[^\0-\x7f]/.test(text),
  isspace: (text) => text !== "" && stripped(text, undefined, "both") === "",
  isupper: (text) => text === text.toUpperCase() && text !== text.toLowerCase(),
  islower: (text) => text === text.toLowerCase() && text !== text.toUpperCase(),
  istitle: (text) => text === titled(text) && /[\p{Lu}\p{Lt}]/u.test(text),
  isidentifier: (text) => /^[\p{L}_][\p{L}\p{N}_]*$/u.test(text),
  isprintable: (text) => !/[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u.test(text),
};

export function textMethod(text: string, name: string): ((args: Arguments) => Value) | undefined {
  const method = Object.hasOwn(METHODS, name) ? METHODS[name] : undefined;
  if (!method) return undefined;
  return (args) => {
    spendChars(text.length / 8);
    return method(text, args);
  };
}

function charsOf(args: Arguments): string | undefined {
  const [chars = null] = bound("strip", args, ["chars"]);
  return chars === null ? undefined : textOf("strip", chars);
}

function splitArguments(args: Arguments): [separator: string | undefined, count: number] {
  const [separator = null, count = -1] = bound("split", args, ["sep", "maxsplit"]);
  const times = integerOf("split", count);
  const most = times < 0 ? Number.POSITIVE_INFINITY : times;
  if (separator === "") throw failed("empty separator");
  return [separator === null ? undefined : textOf("split", separator), most];
}

function split(text: string, args: Arguments): string[] {
  const [separator, most] = splitArguments(args);
  if (separator === undefined) {
    if (most === Number.POSITIVE_INFINITY) return counted(wordsOf(text));
    return counted(firstWords(text, most));
  }
  const parts = counted(text.split(separator));
  if (parts.length - 1 <= most) return parts;
  return [...parts.slice(0, most), parts.slice(most).join(separator)];
}

/** So many, and what comes after them. */
function firstWords(text: string, count: number): string[] {
  const words: string[] = [];
  let at = 0;
  const skip = (spaces: boolean): void => {
    while (at < text.length && isSpace(text.charAt(at)) === spaces) at++;
  };
  for (skip(true); at < text.length && words.length < count; skip(true)) {
    const start = at;
    skip(false);
    words.push(text.slice(start, at));
  }
  return at < text.length ? [...words, text.slice(at)] : words;
}

function splitFromEnd(text: string, args: Arguments): string[] {
  const [separator, most] = splitArguments(args);
  if (separator === undefined) {
    const words = counted(wordsOf(text));
    if (words.length - 1 <= most) return words;
    let rest = stripped(text, undefined, "end");
    const last = most === 0 ? [] : words.slice(-most);
    for (const word of last.toReversed()) {
      rest = stripped(rest.slice(0, rest.length - word.length), undefined, "end");
    }
    return [rest, ...last];
  }
  const parts = counted(text.split(separator));
  if (parts.length - 1 <= most) return parts;
  const at = parts.length - most;
  return [parts.slice(0, at).join(separator), ...parts.slice(at)];
}

function counted(parts: string[]): string[] {
  spendItems(parts.length);
  return parts;
}

/** What `start` and `end` leave of it, and what is sought there. */
function within(name: string, text: string, args: Arguments) {
  const [sought, start = null, end = null] = bound(name, args, ["sub", "start", "end"]);
  if (start === null && end === null) return { part: text, from: 0, sought: textOf(name, sought) };
  const length = lengthOf(text);
  const given = start === null ? 0 : integerOf(name, start);
  const from = given < 0 ? Math.max(0, given + length) : given;
  const part = sliced(text, from, end === null ? length : integerOf(name, end));
  return { part, from, sought: textOf(name, sought) };
}

function found(text: string, args: Arguments, which: "first" | "last"): number {
  const { part, from, sought } = within("find", text, args);
  const unit = which === "first" ? part.indexOf(sought) : part.lastIndexOf(sought);
  return unit < 0 ? -1 : from + placeOf(part, unit);
}

function foundOrFailed(text: string, args: Arguments, which: "first" | "last"): number {
  const at = found(text, args, which);
  if (at < 0) throw failed("substring not found");
  return at;
}

function isAtEdge(
  text: string,
  { positional, named }: Arguments,
  matches: (part: string, edge: string) => boolean,
): boolean {
  const [edges = null, ...bounds] = positional;
  const options = edges instanceof Tuple ? edges.items : [edges];
  return options.some((edge) => {
    const { part, sought } = within("startswith", text, { positional: [edge, ...bounds], named });
    return matches(part, sought);
  });
}

function separatorOf(name: string, args: Arguments): string {
  const separator = textOf(name, bound(name, args, ["sep"])[0]);
  if (separator === "") throw failed("empty separator");
  return separator;
}

function parted(text: string, mark: string, at: number, otherwise: readonly string[]): Tuple {
  if (at < 0) return new Tuple(otherwise);
  return new Tuple([text.slice(0, at), mark, text.slice(at + mark.length)]);
}

function wide(text: string, args: Arguments, side: "left" | "right" | "center"): string {
  const [width, fill = " "] = bound(side, args, ["width", "fillchar"]);
  return widened(text, integerOf(side, width), str(fill), side);
}

/** A field's own inside, in a format. */
function inside(of: Value, name: string): Value {
  const value =
    typeof of === "object" && of !== null && !(of instanceof Tuple) && !Array.isArray(of)
      ? of instanceof Map || Object.getPrototypeOf(of) === Object.prototype
        ? memberOf(of as Readonly<Record<string, Value>>, name)
        : undefined
      : itemsOf(of).at(Number(name));
  if (value === undefined) throw failed(`no '${name}' to format`);
  return value;
}
