import { lengthOf } from "./code-points.ts";
import { spendChars } from "./limits.ts";
import { withoutSpaceAtEnd, withoutSpaceAtStart, wordsOf } from "./space.ts";

/** Without these characters at its ends; without white space where there are none. */
export function stripped(
  text: string,
  chars: string | undefined,
  side: "start" | "end" | "both",
): string {
  if (chars === undefined) {
    const begun = side === "end" ? text : withoutSpaceAtStart(text);
    return side === "start" ? begun : withoutSpaceAtEnd(begun);
  }
  const gone = new Set(chars);
  let [from, to] = [0, text.length];
  const startsWith = (char: string): boolean => text.startsWith(char, from);
  const endsWith = (char: string): boolean => text.endsWith(char, to);
  const all = [...gone];
  if (side !== "end") {
    for (
      let char = all.find(startsWith);
      char !== undefined && from < to;
      char = all.find(startsWith)
    ) {
      from += char.length;
    }
  }
  if (side !== "start") {
    for (
      let char = all.find(endsWith);
      char !== undefined && from < to;
      char = all.find(endsWith)
    ) {
      to -= char.length;
    }
  }
  return text.slice(from, Math.max(from, to));
}

/** The first so many, from the start; all where the count is negative. */
export function replaced(text: string, old: string, by: string, count: number): string {
  if (count === 0) return text;
  if (old === "") {
    const points = [...text];
    const most = count < 0 ? points.length + 1 : count;
    spendChars(text.length + by.length * (points.length + 1));
    const inside = points.map((char, at) => (at < most ? by + char : char)).join("");
    return points.length < most ? inside + by : inside;
  }
  const parts = text.split(old);
  const times = count < 0 ? parts.length - 1 : Math.min(count, parts.length - 1);
  spendChars(text.length + times * by.length);
  const [first = "", ...others] = parts;
  if (times === others.length) return parts.join(by);
  return first + others.map((part, at) => (at < times ? by : old) + part).join("");
}

export function capitalized(text: string): string {
  const [first = ""] = text;
  return first.toUpperCase() + text.slice(first.length).toLowerCase();
}

/** Without comments and tags, and with single spaces, as markupsafe has it. */
export function withoutTags(text: string): string {
  const plain = without(without(text, "<!--", "-->"), "<", ">");
  return wordsOf(plain).join(" ");
}

/** Without what stands between these, and these. */
function without(text: string, open: string, close: string): string {
  let kept = "";
  let from = 0;
  for (;;) {
    const start = text.indexOf(open, from);
    const end = start < 0 ? -1 : text.indexOf(close, start);
    if (end < 0) return kept + text.slice(from);
    kept += text.slice(from, start);
    from = end + close.length;
  }
}

/** Each run of letters. */
export function titled(text: string): string {
  return text.replace(/\p{L}[\p{L}\p{M}]*/gu, capitalized);
}

export function swapped(text: string): string {
  return text.replace(/\p{L}/gu, (char) => {
    const upper = char.toUpperCase();
    return upper === char ? char.toLowerCase() : upper;
  });
}

/** To a width, with the text at the left, at the right or in the middle. */
export function widened(
  text: string,
  width: number,
  fill: string,
  side: "left" | "right" | "center",
): string {
  const gap = width - lengthOf(text);
  if (gap <= 0) return text;
  spendChars(width);
  if (side === "left") return text + fill.repeat(gap);
  if (side === "right") return fill.repeat(gap) + text;
  // Where it is not even, Python's own rule (unicode_center).
  const left = Math.floor(gap / 2) + (gap & width & 1);
  return fill.repeat(left) + text + fill.repeat(gap - left);
}
