import t from "tap";
import { AnswerTokens } from "./answer-tokens.ts";

t.test("the tokens of what was sent", async (t) => {
  const tokens = new AnswerTokens<string>();
  const pieces: readonly [token: string, text: string][] = [
    ["The", "The"],
    [" sky", " sky"],
    ["<1>", ""],
    ["<2>", "é"],
    [" blue", " blue"],
    ["<3>", ""],
  ];
  for (const [token, text] of pieces) tokens.push(token, text);
  const rows: readonly [chars: number, tokens: readonly string[]][] = [
    [0, []],
    [2, ["Th"]],
    [3, ["The"]],
    [5, ["The", " s"]],
    [7, ["The", " sky"]],
    [8, ["The", " sky", "<1>", "<2>"]],
    [13, ["The", " sky", "<1>", "<2>", " blue"]],
  ];
  for (const [chars, expected] of rows) {
    t.same(
      tokens.upTo(chars, (text) => [text]),
      expected,
      `${chars}`,
    );
  }
  t.equal(tokens.count, 6);
  t.same(tokens.last(2), [" blue", "<3>"]);
  t.equal(tokens.last(9).length, 6);
});
