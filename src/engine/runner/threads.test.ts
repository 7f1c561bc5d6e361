import t from "tap";
import { threadsFor } from "./threads.ts";

const MIB = 1024 * 1024;

t.test("threads by model size and cores", (t) => {
  const rows: readonly [number, number, number | undefined, number][] = [
    // modelBytes, cores, num_thread, expected
    [2 * MIB, 2, undefined, 1],
    [2 * MIB, 64, undefined, 1],
    [63 * MIB, 8, undefined, 1],
    [81 * MIB, 2, undefined, 1],
    [220 * MIB, 2, undefined, 2],
    [110 * MIB, 8, undefined, 3],
    [500 * MIB, 8, undefined, 7],
    [4_000 * MIB, 8, undefined, 8],
    [4_000 * MIB, 1, undefined, 1],
    [2 * MIB, 2, 2, 2],
    [4_000 * MIB, 8, 3, 3],
    [4_000 * MIB, 8, 0, 8],
    [4_000 * MIB, 8, 2 ** 31, 512],
  ];
  for (const [modelBytes, cores, numThread, expected] of rows) {
    const row = JSON.stringify({ modelBytes, cores, numThread });
    t.equal(threadsFor({ modelBytes, cores, numThread }), expected, row);
  }
  t.end();
});
