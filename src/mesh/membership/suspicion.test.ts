import t from "tap";
import { suspicionTimeoutMs } from "./suspicion.ts";

t.test("how long a suspect has", async (t) => {
  const rows: readonly (readonly [number, number, boolean, number])[] = [
    [2, 0, false, 2_700],
    [3, 0, false, 2_700],
    [3, 1, false, 900],
    [10, 0, false, 2_700],
    [10, 1, false, 1_800],
    [10, 3, false, 900],
    [10, 8, false, 900],
    [1_000, 0, false, 4_500],
    [1_000, 3, false, 1_500],
    [2, 0, true, 900],
    [10, 3, true, 300],
    [1_000, 0, true, 900],
  ];
  for (const [nodeCount, confirmations, closed, expectedMs] of rows) {
    const timeoutMs = suspicionTimeoutMs({ nodeCount, confirmations, closed });
    t.ok(
      Math.abs(timeoutMs - expectedMs) < 1e-6,
      `${nodeCount} nodes, ${confirmations}: ${timeoutMs}`,
    );
  }
});

t.test("each confirmation shortens it, the first ones most", async (t) => {
  const timeouts = [0, 1, 2, 3].map((confirmations) =>
    suspicionTimeoutMs({ nodeCount: 100, confirmations, closed: false }),
  );
  const steps = timeouts.slice(1).map((timeoutMs, i) => (timeouts[i] ?? 0) - timeoutMs);
  t.ok(steps.every((step) => step > 0));
  t.same(
    steps.toSorted((a, b) => b - a),
    steps,
  );
});
