import { bound, integerOf } from "./bound-arguments.ts";
import { pairsOf } from "./collection-methods.ts";
import { failed, Refusal } from "./errors.ts";
import { RANGE_LENGTH_MAX } from "./limits.ts";
import { str } from "./printing.ts";
import { dateText } from "./strftime.ts";
import {
  type Arguments,
  Callable,
  type Dict,
  keyOf,
  Members,
  Namespace,
  Range,
  Undefined,
  type Value,
} from "./values.ts";

type GlobalFunction = (args: Arguments) => Value;

/** Jinja's own (https://jinja.palletsprojects.com/en/stable/templates/#list-of-global-functions), and those of transformers. */
const FUNCTIONS: Readonly<Record<string, GlobalFunction>> = {
  range: rangeOf,
  dict: (args) => dictOf(args),
  namespace: (args) => {
    const members = [...dictOf(args)].map(([key, value]) => [str(key), value] as const);
    return new Namespace(new Map(members));
  },
  raise_exception: (args) => {
    throw new Refusal(str(bound("raise_exception", args, ["message"])[0] ?? ""));
  },
  strftime_now: (args) => {
    const [format = ""] = bound("strftime_now", args, ["format"]);
    return dateText(str(format), new Date());
  },
  lipsum: () => {
    throw failed("no lipsum here");
  },
  joiner: (args) => {
    const [separator = ", "] = bound("joiner", args, ["sep"]);
    let isUsed = false;
    return new Callable("joiner", () => {
      const between = isUsed ? separator : "";
      isUsed = true;
      return between;
    });
  },
  cycler: ({ positional }) => {
    if (positional.length === 0) throw failed("at least one item has to be provided");
    return new Cycler(positional);
  },
};

export const GLOBALS: ReadonlyMap<string, Value> = new Map(
  Object.entries(FUNCTIONS).map(([name, call]) => [name, new Callable(name, call)]),
);

function rangeOf({ positional, named }: Arguments): Range {
  if (named.size > 0 || positional.length === 0 || positional.length > 3) {
    throw failed("range takes one to three numbers");
  }
  for (const value of positional) if (value instanceof Undefined) throw failed(value.why);
  const [first = 0, second, step = 1] = positional.map((value) => integerOf("range", value));
  if (step === 0) throw failed("range() arg 3 must not be zero");
  const range = second === undefined ? new Range(0, first, 1) : new Range(first, second, step);
  if (range.length > RANGE_LENGTH_MAX) {
    throw failed(`Range too big. The sandbox blocks ranges larger than ${RANGE_LENGTH_MAX}.`);
  }
  return range;
}

function dictOf({ positional, named }: Arguments): Dict {
  if (positional.length > 1) throw failed("dict expected at most 1 argument");
  const dict: Dict = new Map();
  for (const [key, value] of positional.flatMap(pairsOf)) dict.set(keyOf(key, dict), value);
  for (const [key, value] of named) dict.set(key, value);
  return dict;
}

class Cycler extends Members {
  readonly #items: readonly Value[];
  #at = 0;

  constructor(items: readonly Value[]) {
    super();
    this.#items = items;
  }

  member(name: string): Value | undefined {
    const current = this.#items[this.#at] ?? null;
    if (name === "current") return current;
    if (name !== "next" && name !== "reset") return undefined;
    return new Callable(name, () => {
      const now = this.#items[this.#at] ?? null;
      this.#at = name === "reset" ? 0 : (this.#at + 1) % this.#items.length;
      return name === "reset" ? null : now;
    });
  }

  shown(): string {
    return "<Cycler>";
  }
}
