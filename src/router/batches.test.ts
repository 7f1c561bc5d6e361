import fc from "fast-check";
import t from "tap";
import { batches, type Pace } from "./batches.ts";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Groups come at once, with a turn of the event loop between them. */
async function* inGroups<T>(groups: readonly (readonly T[])[]): AsyncGenerator<T> {
  for (const group of groups) {
    await turn();
    yield* group;
  }
}

t.test("what comes at once is one batch, and the first is not held back", async (t) => {
  const got: (readonly number[])[] = [];
  for await (const batch of batches(inGroups([[1], [2, 3], [4, 5, 6]]))) got.push(batch);
  t.same(got, [[1], [2, 3], [4, 5, 6]]);
});

t.test("at most 64 are together", async (t) => {
  const sizes: number[] = [];
  const many = Array.from({ length: 150 }, (_, i) => i);
  for await (const batch of batches(inGroups([many]))) sizes.push(batch.length);
  t.same(sizes, [64, 64, 22]);
});

t.test("nothing is lost, doubled or out of order, however it comes and is read", async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.integer(), { maxLength: 5 }), { maxLength: 8 }),
      fc.array(fc.nat(2), { minLength: 1 }),
      async (groups, pauses) => {
        const got: number[] = [];
        let reads = 0;
        for await (const batch of batches(inGroups(groups))) {
          got.push(...batch);
          for (let i = pauses[reads++ % pauses.length] ?? 0; i > 0; i--) await turn();
        }
        t.strictSame(got, groups.flat());
      },
    ),
    { numRuns: 50 },
  );
});

t.test("an error comes after what came before it", async (t) => {
  async function* failing(): AsyncGenerator<number> {
    yield 1;
    yield 2;
    throw new Error("broken");
  }
  const got: number[] = [];
  await t.rejects(async () => {
    for await (const batch of batches(failing())) got.push(...batch);
  }, /broken/);
  t.same(got, [1, 2]);
});

t.test("a reader who leaves stops the source", async (t) => {
  let isStopped = false;
  async function* endless(): AsyncGenerator<number> {
    try {
      for (let i = 0; ; i++) {
        await turn();
        yield i;
      }
    } finally {
      isStopped = true;
    }
  }
  for await (const [first] of batches(endless())) if (first === 3) break;
  t.ok(isStopped);
});

t.test("what rides waits for the next, and is not lost where there is none", async (t) => {
  const pace = (value: number): Pace => (value === 0 ? "with the next" : "together");
  const rows: readonly (readonly [groups: number[][], batches: number[][]])[] = [
    [
      [[0], [1], [2]],
      [[0, 1], [2]],
    ],
    [
      [[1], [0], [2]],
      [[1], [0, 2]],
    ],
    [[[0]], [[0]]],
    [[[0], [0], [1]], [[0, 0, 1]]],
  ];
  for (const [groups, expected] of rows) {
    const got: (readonly number[])[] = [];
    for await (const batch of batches(inGroups(groups), pace)) got.push(batch);
    t.same(got, expected);
  }
});

t.test("an empty source has no batch", async (t) => {
  for await (const _batch of batches(inGroups([[]]))) t.fail("there is nothing");
  t.pass();
});
