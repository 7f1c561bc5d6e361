import fc from "fast-check";
import t from "tap";
import { StopWords } from "./stop-words.ts";

function run(words: readonly string[], pieces: readonly string[]) {
  const stop = new StopWords(words);
  const sent: string[] = [];
  for (const piece of pieces) {
    const { text, stopped } = stop.push(piece);
    sent.push(text);
    if (stopped) return { sent, stopped: true };
  }
  return { sent: [...sent, stop.flush()], stopped: false };
}

t.test("stop words", (t) => {
  const rows: readonly [readonly string[], readonly string[], readonly string[], boolean][] = [
    // words, pieces, what is sent after each, stopped
    [["\nUser:"], ["hello", "\nUs", "er", ":", "x"], ["hello", "", "", ""], true],
    [["\nUser:"], ["hello", "\nUs", "e it"], ["hello", "", "\nUse it", ""], false],
    [["\nUser:"], ["hello", "\nUs"], ["hello", "", "\nUs"], false],
    [["aab"], ["aa", "ab", "c"], ["", "a"], true],
    [["end", "the end"], ["at the end"], ["at "], true],
    [["b", "abc"], ["a", "b"], ["", "a"], true],
    [[], ["a", "b"], ["a", "b", ""], false],
    [[""], ["a"], ["a", ""], false],
  ];
  for (const [words, pieces, sent, stopped] of rows) {
    t.same(run(words, pieces), { sent, stopped }, JSON.stringify({ words, pieces }));
  }
  t.end();
});

t.test("what is sent is the text up to the first stop word, however it is cut", (t) => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 12 });
  const words = fc.array(
    fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 3 }),
    {
      maxLength: 3,
    },
  );
  fc.assert(
    fc.property(fc.array(letters, { maxLength: 6 }), words, (pieces, words) => {
      const text = pieces.join("");
      const { sent, stopped } = run(words, pieces);
      const got = sent.join("");
      const holds = words.some((word) => text.includes(word));
      if (holds !== stopped) return false;
      if (!stopped) return got === text;
      return text.startsWith(got) && !words.some((word) => got.includes(word));
    }),
  );
  t.pass("holds for many texts");
  t.end();
});
