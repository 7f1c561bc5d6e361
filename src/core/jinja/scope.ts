import { GLOBALS } from "./functions.ts";
import { Undefined, type Value } from "./values.ts";

/** The names of a block that has its own; the outermost has the data too. */
export class Scope {
  readonly #names = new Map<string, Value>();
  readonly #outer: Scope | undefined;
  readonly #data: Readonly<Record<string, unknown>> | undefined;

  constructor(outer: Scope | undefined, data?: Readonly<Record<string, unknown>>) {
    this.#outer = outer;
    this.#data = data;
  }

  get(name: string): Value {
    const value = this.#names.get(name);
    if (value !== undefined) return value;
    if (this.#outer) return this.#outer.get(name);
    const given = this.#data && Object.hasOwn(this.#data, name) ? this.#data[name] : undefined;
    if (given !== undefined) return given as Value;
    return GLOBALS.get(name) ?? Undefined.ofName(name);
  }

  set(name: string, value: Value): void {
    this.#names.set(name, value);
  }

  /** For the next turn of a loop, which sets these again. */
  clear(besides: number): void {
    if (this.#names.size > besides) this.#names.clear();
  }
}
