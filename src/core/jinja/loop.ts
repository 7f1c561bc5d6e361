import { isEqual } from "./comparison.ts";
import { failed } from "./errors.ts";
import { type Arguments, Callable, Members, Undefined, type Value } from "./values.ts";

/** `loop`, which goes on with the loop. */
export class Loop extends Members {
  readonly items: readonly Value[];
  readonly depth: number;
  at = 0;
  #changed: readonly Value[] | undefined;
  readonly #again: ((items: Value) => Value) | undefined;

  constructor(items: readonly Value[], depth: number, again?: (items: Value) => Value) {
    super();
    this.items = items;
    this.depth = depth;
    this.#again = again;
  }

  member(name: string): Value | undefined {
    const { at } = this;
    const { length } = this.items;
    switch (name) {
      case "index":
        return at + 1;
      case "index0":
        return at;
      case "revindex":
        return length - at;
      case "revindex0":
        return length - at - 1;
      case "first":
        return at === 0;
      case "last":
        return at === length - 1;
      case "length":
        return length;
      case "depth":
        return this.depth;
      case "depth0":
        return this.depth - 1;
      case "previtem":
        return this.#neighbour(at - 1);
      case "nextitem":
        return this.#neighbour(at + 1);
      case "cycle":
        return new Callable("cycle", ({ positional }) => {
          if (positional.length === 0) throw failed("no items for cycling given");
          return positional[at % positional.length] ?? null;
        });
      case "changed":
        return new Callable("changed", (args) => this.#isChanged(args));
      default:
        return undefined;
    }
  }

  #neighbour(at: number): Value {
    const item = this.items[at];
    return item === undefined ? new Undefined("there is no such item") : item;
  }

  #isChanged({ positional }: Arguments): boolean {
    const before = this.#changed;
    this.#changed = positional;
    if (!before || before.length !== positional.length) return true;
    return positional.some((value, at) => !isEqual(value, before[at] ?? null));
  }

  /** `loop(…)` in a recursive one. */
  again(items: Value): Value {
    if (!this.#again) throw failed("the loop must have the 'recursive' marker to be called");
    return this.#again(items);
  }

  shown(): string {
    return `<LoopContext ${this.at + 1}/${this.items.length}>`;
  }
}
