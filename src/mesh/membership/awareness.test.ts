import t from "tap";
import { Awareness } from "./awareness.ts";

t.test("what raises and lowers the score", async (t) => {
  const rows: readonly (readonly [string, (a: Awareness) => void, number])[] = [
    ["nothing", () => {}, 0],
    ["an answer does not make us better than healthy", (a) => a.confirmed(), 0],
    ["one doubt", (a) => a.doubted(), 1],
    [
      "doubts and an answer",
      (a) => {
        a.doubted(2);
        a.confirmed();
      },
      1,
    ],
    ["several at once", (a) => a.doubted(3), 3],
    ["a short delay", (a) => a.late(120), 1],
    ["a long one", (a) => a.late(1_900), 4],
    ["a frozen process", (a) => a.late(3_600_000), 8],
  ];
  for (const [name, act, score] of rows) {
    const awareness = new Awareness();
    act(awareness);
    t.equal(awareness.score, score, name);
    t.equal(awareness.stretched(100), 100 * (score + 1), name);
  }
});
