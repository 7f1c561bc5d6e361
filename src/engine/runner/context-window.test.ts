import t from "tap";
import { cutTokens, shiftRange } from "./context-window.ts";

t.test("a prompt is cut in its middle", (t) => {
  const rows: readonly [number, number, number, readonly number[]][] = [
    // tokens, tokensMax, keep, what stays
    [5, 5, 2, [0, 1, 2, 3, 4]],
    [8, 5, 2, [0, 1, 5, 6, 7]],
    [8, 5, 0, [3, 4, 5, 6, 7]],
    [8, 3, 9, [0, 1, 7]],
  ];
  for (const [count, tokensMax, keep, stays] of rows) {
    const tokens = Array.from({ length: count }, (_, index) => index);
    t.same(cutTokens(tokens, tokensMax, keep), stays, JSON.stringify({ count, tokensMax, keep }));
  }
  t.end();
});

t.test("a shift frees half of what may go", (t) => {
  t.same(shiftRange(100, 4), { start: 4, end: 52 });
  t.same(shiftRange(10, 0), { start: 0, end: 5 });
  t.same(shiftRange(4, 4), { start: 3, end: 4 }, "something always goes");
  t.end();
});
