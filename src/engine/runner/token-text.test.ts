import fc from "fast-check";
import t from "tap";
import { TokenText } from "./token-text.ts";

/** A tokenizer of bytes. */
const bytes = (tokens: readonly number[]): string => Buffer.from(tokens).toString();

t.test("text comes in whole code points", (t) => {
  const text = new TokenText(bytes, []);
  const pieces = [...Buffer.from("aé€😀z")].map((byte) => text.push(byte));
  t.same(pieces, ["a", "", "é", "", "", "€", "", "", "", "😀", "z"]);
  t.end();
});

t.test("bytes that are no text do not hold it back for ever", (t) => {
  const text = new TokenText(bytes, []);
  const pieces = [0xff, 0xff, 0xff, 0xff, 0x61].map((byte) => text.push(byte));
  t.same(pieces, ["", "", "", "\uFFFD\uFFFD\uFFFD\uFFFD", "a"]);
  t.end();
});

t.test("any text comes out as it is", (t) => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (whole) => {
      const text = new TokenText(bytes, []);
      const pieces = [...Buffer.from(whole)].map((byte) => text.push(byte));
      return pieces.join("") === whole && pieces.every((piece) => piece.isWellFormed());
    }),
  );
  t.pass("holds for many texts");
  t.end();
});

t.test("tokens are read with those before them", (t) => {
  const seen: string[] = [];
  const text = new TokenText<number>(
    (tokens, before) => {
      seen.push(`${before.join()}|${tokens.join()}`);
      return "x";
    },
    [1, 2],
  );
  text.push(3);
  text.push(4);
  t.same(seen, ["1,2|3", "1,2,3|4"]);
  t.end();
});
