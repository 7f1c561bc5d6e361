import type { Test } from "tap";
import { CACHE_COPY_MS_MAX, type Cache, type CacheKey, type CacheKind } from "../core/cache.ts";
import type { Waiting } from "../core/ports.ts";

export interface CacheUnderTest extends AsyncDisposable {
  readonly cache: Cache;
  /** Lets time pass for what is in the process's memory. */
  readonly move: (durationMs: number) => void;
}

interface Model {
  readonly name: string;
}

const MINUTE_MS = 60_000;
const MODELS: CacheKind<Model> = {
  name: "models",
  version: 3,
  ttlMs: MINUTE_MS,
  parse: (json) =>
    typeof json === "object" && json !== null && "name" in json && typeof json.name === "string"
      ? { name: json.name }
      : undefined,
};
const OTHERS: CacheKind<number> = {
  name: "others",
  version: 1,
  ttlMs: MINUTE_MS,
  parse: (json) => (typeof json === "number" ? json : undefined),
};
const NOTHING: CacheKind<null> = { ...OTHERS, parse: (json) => (json === null ? null : undefined) };
const KEY: CacheKey = { scope: "llama", id: "first page" };
const WAITING: Waiting = { signal: new AbortController().signal };

/** What every Cache does, wherever values are kept. Each part opens a cache of its own, with nothing in it. */
export function cacheContract(t: Test, open: () => Promise<CacheUnderTest>): void {
  t.test("makes a value once, and keeps it", async (t) => {
    await using tested = await open();
    const { cache } = tested;
    const maker = new Maker();
    t.strictSame(await cache.wrap(MODELS, KEY, maker.make, WAITING), { name: "1" });
    t.strictSame(await cache.wrap(MODELS, KEY, maker.make, WAITING), { name: "1" });
    t.equal(maker.made, 1);
  });

  t.test("kinds, scopes and ids do not meet", async (t) => {
    await using tested = await open();
    const { cache } = tested;
    const rows: readonly [CacheKind<number>, CacheKey][] = [
      [OTHERS, { scope: "", id: "" }],
      [OTHERS, { scope: "a", id: "" }],
      [OTHERS, { scope: "", id: "a" }],
      [OTHERS, { scope: "a:b", id: "c" }],
      [OTHERS, { scope: "a", id: "b:c" }],
      [OTHERS, { scope: "a", id: `${"x".repeat(100_000)}\r\n` }],
      [
        { ...OTHERS, name: "others2" },
        { scope: "a", id: "" },
      ],
    ];
    const get = (row: number, number: number): Promise<number> => {
      const [kind, key] = rows[row] ?? [OTHERS, KEY];
      return cache.wrap(kind, key, async () => number, WAITING);
    };
    for (const row of rows.keys()) t.equal(await get(row, row), row);
    for (const row of rows.keys()) t.equal(await get(row, -1), row, `row ${row} is kept`);
  });

  t.test("what comes out is what JSON and the kind make of it, also at first", async (t) => {
    await using tested = await open();
    const { cache } = tested;
    const rich = async () => ({ name: "llama", secret: "x", at: new Date(0) });
    const first = await cache.wrap(MODELS, KEY, rich, WAITING);
    t.strictSame(first, { name: "llama" });
    Object.assign(first, { name: "spoilt" });
    t.strictSame(await cache.wrap(MODELS, KEY, rich, WAITING), { name: "llama" });
    const wrong = async () => ({ name: 1 }) as unknown as Model;
    await t.rejects(cache.wrap(MODELS, { ...KEY, id: "wrong" }, wrong, WAITING), TypeError);
    t.equal(await cache.wrap(NOTHING, KEY, async () => null, WAITING), null, "null is a value");
    const again = async () => t.fail("null was kept") as never;
    t.equal(await cache.wrap(NOTHING, KEY, again, WAITING), null);
  });

  t.test("a value of another version, or of another shape, is made anew", async (t) => {
    await using tested = await open();
    const { cache } = tested;
    const kind = (version: number): CacheKind<number> => ({ ...OTHERS, version });
    t.equal(await cache.wrap(kind(1), KEY, async () => 1, WAITING), 1);
    t.equal(await cache.wrap(kind(2), KEY, async () => 2, WAITING), 2);
    t.equal(await cache.wrap(kind(2), KEY, async () => 3, WAITING), 2);
    t.equal(
      await cache.wrap(kind(1), KEY, async () => 4, WAITING),
      4,
      "nor one of a newer version",
    );
    const words: CacheKind<string> = {
      ...kind(1),
      parse: (json) => (typeof json === "string" ? json : undefined),
    };
    t.equal(await cache.wrap(words, KEY, async () => "five", WAITING), "five");
  });

  t.test("a value goes after its time", async (t) => {
    await using tested = await open();
    const { cache, move } = tested;
    const brief = { ...OTHERS, ttlMs: 30 };
    t.equal(await cache.wrap(brief, KEY, async () => 1, WAITING), 1);
    let value = 1;
    while (value === 1) {
      move(CACHE_COPY_MS_MAX);
      value = await cache.wrap(brief, KEY, async () => 2, WAITING);
    }
    t.equal(value, 2);
  });

  t.test("a change outdates its scope, and nothing else", async (t) => {
    await using tested = await open();
    const { cache } = tested;
    const get = (scope: string, id: string, made: number): Promise<number> =>
      cache.wrap(OTHERS, { scope, id }, async () => made, WAITING);
    for (const scope of ["a", "b"]) for (const id of ["x", "y"]) await get(scope, id, 1);
    await cache.wrap(
      { ...OTHERS, name: "others2" },
      { scope: "a", id: "x" },
      async () => 1,
      WAITING,
    );
    await cache.invalidate(OTHERS, "a");
    t.strictSame([await get("a", "x", 2), await get("a", "y", 2)], [2, 2]);
    t.strictSame([await get("b", "x", 2), await get("b", "y", 2)], [1, 1]);
    const other = { ...OTHERS, name: "others2" };
    t.equal(await cache.wrap(other, { scope: "a", id: "x" }, async () => 2, WAITING), 1);
    t.equal(await get("a", "x", 3), 2, "and what was made since is kept");
  });

  t.test(
    "what was being made when a change came is not kept, nor given to later askers",
    async (t) => {
      await using tested = await open();
      const { cache } = tested;
      const old = new HeldMaker();
      const before = cache.wrap(MODELS, KEY, old.make, WAITING);
      await old.called;
      await cache.invalidate(MODELS, KEY.scope);
      const fresh = async () => ({ name: "new" });
      t.strictSame(await cache.wrap(MODELS, KEY, fresh, WAITING), { name: "new" });
      old.release({ name: "old" });
      t.strictSame(await before, { name: "old" }, "who asked before the change may get it");
      t.strictSame(await cache.wrap(MODELS, KEY, fresh, WAITING), { name: "new" });
    },
  );

  singleFlight(t, open);
}

function singleFlight(t: Test, open: () => Promise<CacheUnderTest>): void {
  t.test("many who ask at once wait for one making", async (t) => {
    await using tested = await open();
    const { cache } = tested;
    const maker = new HeldMaker();
    const all = Array.from({ length: 100 }, () => cache.wrap(MODELS, KEY, maker.make, WAITING));
    await maker.called;
    maker.release({ name: "llama" });
    const values = await Promise.all(all);
    t.equal(maker.made, 1);
    t.ok(values.every(({ name }) => name === "llama"));
    t.equal(new Set(values).size, values.length, "each has a value of its own");
  });

  t.test("a making that fails is everybody's failure, once, and is not kept", async (t) => {
    await using tested = await open();
    const { cache } = tested;
    const maker = new HeldMaker();
    const all = [1, 2, 3].map(() => cache.wrap(MODELS, KEY, maker.make, WAITING));
    await maker.called;
    maker.fail(new Error("the database is away"));
    for (const one of all) await t.rejects(one, { message: "the database is away" });
    t.equal(maker.made, 1);
    const next = await cache.wrap(MODELS, KEY, async () => ({ name: "back" }), WAITING);
    t.strictSame(next, { name: "back" });
  });

  t.test("who leaves does not take the value from the others", async (t) => {
    await using tested = await open();
    const { cache } = tested;
    const maker = new HeldMaker();
    const leaving = new AbortController();
    const left = cache.wrap(MODELS, KEY, maker.make, leaving);
    const stayed = cache.wrap(MODELS, KEY, maker.make, WAITING);
    await maker.called;
    leaving.abort(new Error("gone"));
    await t.rejects(left, { message: "gone" });
    t.equal(maker.signal?.aborted, false);
    maker.release({ name: "llama" });
    t.strictSame(await stayed, { name: "llama" });
    t.equal(maker.made, 1);
    await t.rejects(cache.wrap(MODELS, KEY, maker.make, leaving), { message: "gone" });
  });

  t.test("when all have left the making is told, and the next one begins anew", async (t) => {
    await using tested = await open();
    const { cache } = tested;
    const maker = new HeldMaker();
    const leaving = new AbortController();
    const left = [1, 2].map(() => cache.wrap(MODELS, KEY, maker.make, leaving));
    await maker.called;
    leaving.abort(new Error("gone"));
    for (const one of left) await t.rejects(one, { message: "gone" });
    t.equal(maker.signal?.aborted, true);
    const next = await cache.wrap(MODELS, KEY, async () => ({ name: "next" }), WAITING);
    t.strictSame(next, { name: "next" });
    maker.fail(new Error("aborted"));
  });

  t.test("what is being made for long is not shared with who asks later", async (t) => {
    await using tested = await open();
    const { cache, move } = tested;
    const slow = new HeldMaker();
    const first = cache.wrap(MODELS, KEY, slow.make, WAITING);
    await slow.called;
    move(CACHE_COPY_MS_MAX + 1);
    const later = await cache.wrap(MODELS, KEY, async () => ({ name: "later" }), WAITING);
    t.strictSame(later, { name: "later" });
    slow.release({ name: "first" });
    t.strictSame(await first, { name: "first" });
  });
}

class Maker {
  made = 0;

  readonly make = async (): Promise<Model> => ({ name: `${++this.made}` });
}

/** Its making lasts until the test ends it. */
class HeldMaker {
  made = 0;
  signal: AbortSignal | undefined;
  readonly #called = Promise.withResolvers<void>();
  readonly #model = Promise.withResolvers<Model>();

  get called(): Promise<void> {
    return this.#called.promise;
  }

  readonly make = ({ signal }: Waiting): Promise<Model> => {
    this.made++;
    this.signal = signal;
    this.#called.resolve();
    return this.#model.promise;
  };

  release(model: Model): void {
    this.#model.resolve(model);
  }

  fail(error: Error): void {
    this.#model.reject(error);
  }
}
