import { createHash } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";

/** Takes a fraction of a millisecond, so that a prompt of many megabytes holds up nobody's tokens. */
export const SLICE_LENGTH = 131_072;

/** SHA-256, in hex, of the texts joined by line ends: of one text that of the text itself, as `sha256sum` has it. */
export async function promptHash(texts: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  let sliceLeft = SLICE_LENGTH;
  for (const [index, text] of texts.entries()) {
    if (index > 0) hash.update("\n");
    for (let from = 0; from < text.length; ) {
      const to = wholeEnd(text, from + sliceLeft);
      hash.update(text.slice(from, to));
      sliceLeft -= to - from;
      from = to;
      if (sliceLeft > 0) continue;
      sliceLeft = SLICE_LENGTH;
      await nextTurn();
    }
  }
  return hash.digest("hex");
}

/** A surrogate pair is one character, and half of it none. */
function wholeEnd(text: string, end: number): number {
  if (end >= text.length) return text.length;
  const last = text.charCodeAt(end - 1);
  return last >= 0xd800 && last <= 0xdbff ? end + 1 : end;
}
