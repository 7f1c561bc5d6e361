import t from "tap";
import { tokenBytes } from "./token-bytes.ts";

t.test("the bytes of tokens", async (t) => {
  const rows: readonly [
    text: string,
    piece: string,
    tokenizer: string | undefined,
    bytes: readonly number[],
  ][] = [
    ["sky", "▁sky", "llama", [0x73, 0x6b, 0x79]],
    ["é", "Ã©", "gpt2", [0xc3, 0xa9]],
    ["\uFFFD", "<0xF0>", "llama", [0xf0]],
    ["\uFFFD", "<0x9f>", undefined, [0x9f]],
    ["\uFFFD", "ðŁĺ", "gpt2", [0xf0, 0x9f, 0x98]],
    [" \uFFFD", "Ġð", "gpt2", [0x20, 0xf0]],
    ["\uFFFD", "\uFFFD", "llama", [0xef, 0xbf, 0xbd]],
    ["\uFFFD", "<|odd|>\u4E00", "gpt2", [0xef, 0xbf, 0xbd]],
  ];
  for (const [text, piece, tokenizer, bytes] of rows) {
    t.same(tokenBytes(text, { piece, tokenizer }), bytes, piece);
  }
});
