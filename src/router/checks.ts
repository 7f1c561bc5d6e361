/**
 * Checks of JSON that a peer sent. A check looks at the keys that are there, not at all that could be: what is checked is
 * small, and most of its keys are absent. ARCHITECTURE.md says what that spares.
 */
export interface Check<T> {
  /** What is wrong, for people; undefined: nothing. */
  (value: unknown): string | undefined;
  /** For the compiler only. */
  readonly of?: T;
}

interface Optional<T> {
  readonly optional: Check<T>;
}

/** A check for each key of T, `optional` for those that may be absent: the compiler knows which. */
export type Fields<T> = {
  readonly [K in keyof T]-?: object extends Pick<T, K>
    ? Optional<Exclude<T[K], undefined>>
    : Check<T[K]>;
};

type Keyed = Readonly<Record<string, unknown>>;

export function isRecord(value: unknown): value is Keyed {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const is =
  <T>(test: (value: unknown) => boolean, problem: string): Check<T> =>
  (value) =>
    test(value) ? undefined : problem;

export const string = is<string>((value) => typeof value === "string", "is no text");
export const number = is<number>((value) => typeof value === "number", "is no number");
export const integer = is<number>(Number.isInteger, "is no whole number");
export const boolean = is<boolean>(
  (value) => typeof value === "boolean",
  "is neither true nor false",
);
export const record = is<Keyed>(isRecord, "is no object");
export const anything: Check<unknown> = () => undefined;

export function stringUpTo(charsMax: number): Check<string> {
  return (value) =>
    string(value) ?? (`${value}`.length > charsMax ? `is longer than ${charsMax}` : undefined);
}

export function oneOf<const T extends string>(...values: readonly T[]): Check<T> {
  const known: readonly unknown[] = values;
  return is(known.includes.bind(known), `is none of ${values.join(", ")}`);
}

export function either<A, B>(a: Check<A>, b: Check<B>): Check<A | B> {
  return (value) => {
    const problem = a(value);
    return problem === undefined || b(value) === undefined ? undefined : problem;
  };
}

export function listOf<T>(item: Check<T>, itemsMax: number): Check<readonly T[]> {
  return (value) => {
    if (!Array.isArray(value)) return "is no list";
    if (value.length > itemsMax) return `has more than ${itemsMax} items`;
    for (let index = 0; index < value.length; index++) {
      const problem = item(value[index]);
      if (problem !== undefined) return `[${index}] ${problem}`;
    }
    return undefined;
  };
}

export function optional<T>(check: Check<T>): Optional<T> {
  return { optional: check };
}

/** What becomes of an object with keys that are not in the table. */
export type Further = "refused" | "left aside";

export function objectOf<T>(fields: Fields<T>, further: Further): Check<T> {
  const entries = Object.entries<Check<unknown> | Optional<unknown>>(fields);
  const checks = new Map(
    entries.map(([key, field]) => [key, "optional" in field ? field.optional : field]),
  );
  const required = entries.flatMap(([key, field]) => ("optional" in field ? [] : [key]));
  return (value) => {
    if (!isRecord(value)) return "is no object";
    for (const key in value) {
      const check = checks.get(key);
      if (check === undefined) {
        if (further === "refused") return `has the unknown key ${JSON.stringify(key)}`;
        continue;
      }
      const problem = check(value[key]);
      if (problem !== undefined) return `.${key} ${problem}`;
    }
    for (const key of required) if (!Object.hasOwn(value, key)) return `lacks ${key}`;
    return undefined;
  };
}

/** Objects that a key tells apart, each with the fields that it has beside that key. */
export function byTag<K extends string, T extends { readonly [key in K]: string }>(
  tag: K,
  tables: { readonly [V in T[K]]: Fields<Omit<Extract<T, { readonly [key in K]: V }>, K>> },
  further: Further,
): Check<T> {
  const known = new Map(
    Object.entries<object>(tables).map(([name, fields]) => [
      name,
      objectOf({ ...fields, [tag]: string }, further),
    ]),
  );
  return (value) => {
    const name = isRecord(value) ? value[tag] : undefined;
    const check = typeof name === "string" ? known.get(name) : undefined;
    return check === undefined ? `has an unknown ${tag}` : check(value);
  };
}
