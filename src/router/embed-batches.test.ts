import t from "tap";
import { ROUTE } from "../../test/fixtures/fake-cluster.ts";
import { mergeEmbeddings, splitInputs } from "./embed-batches.ts";

const inputs = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i}`);

t.test("parts are worth their trip, and no more than there are replicas", (t) => {
  const rows: readonly (readonly [count: number, replicas: number, sizes: number[]])[] = [
    [0, 3, [0]],
    [1, 3, [1]],
    [31, 3, [31]],
    [32, 3, [16, 16]],
    [100, 3, [34, 34, 32]],
    [100, 0, [100]],
    [100, 1, [100]],
    [1_000, 4, [250, 250, 250, 250]],
    [33, 2, [17, 16]],
  ];
  for (const [count, replicas, sizes] of rows) {
    const parts = splitInputs(inputs(count), replicas);
    t.same(
      parts.map((part) => part.length),
      sizes,
      `${count} for ${replicas}`,
    );
    t.same(parts.flat(), inputs(count), "in order, each once");
  }
  t.end();
});

t.test("parts are put together in order", (t) => {
  const merged = mergeEmbeddings([
    { vectors: [[1], [2]], promptTokens: 3, loadMs: 5, route: ROUTE },
    { vectors: [[3]], promptTokens: 4, loadMs: 9, route: { ...ROUTE, nodeName: "other" } },
  ]);
  t.same(merged, { vectors: [[1], [2], [3]], promptTokens: 7, loadMs: 9, route: ROUTE });
  t.end();
});
