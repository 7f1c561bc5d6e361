import { createHash } from "node:crypto";
import t from "tap";
import { promptHash, SLICE_LENGTH } from "./prompt-hash.ts";

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

t.test("the hash is that of the texts, line by line", async (t) => {
  const rows: readonly (readonly string[])[] = [
    [],
    [""],
    ["why is the sky blue?"],
    ["system", "user"],
    ["", ""],
    ["a\0b", "é😀"],
    ["x".repeat(SLICE_LENGTH), "y".repeat(SLICE_LENGTH - 1), "z"],
    // A character of two units on the slice's edge.
    [`${"x".repeat(SLICE_LENGTH - 1)}😀${"x".repeat(SLICE_LENGTH - 2)}😀`],
    ["😀".repeat(SLICE_LENGTH)],
    ["x", "😀".repeat(SLICE_LENGTH)],
  ];
  for (const [index, texts] of rows.entries()) {
    t.equal(await promptHash(texts), sha256(texts.join("\n")), `row ${index}`);
  }
});

t.test("others have their turn while a large prompt is hashed", async (t) => {
  let turns = 0;
  let hashing = true;
  const others = (): void => {
    turns++;
    if (hashing) setImmediate(others);
  };
  setImmediate(others);
  await promptHash(["x".repeat(SLICE_LENGTH * 20)]);
  hashing = false;
  t.ok(turns >= 20, `${turns} turns`);
});
