// What Python calls white space; String.trim has U+FEFF too, and lacks the separators of ASCII and the next line.
const SPACE = "\t\n\v\f\r\x1c-\x1f \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000";
const ONE = new RegExp(`^[${SPACE}]$`);
const RUNS = new RegExp(`[${SPACE}]+`);

export function isSpace(char: string): boolean {
  const code = char.charCodeAt(0);
  if (code < 0x80) return code === 32 || (code >= 9 && code <= 13) || (code >= 28 && code <= 31);
  return ONE.test(char);
}

export function withoutSpaceAtStart(text: string): string {
  let from = 0;
  while (from < text.length && isSpace(text.charAt(from))) from++;
  return text.slice(from);
}

export function withoutSpaceAtEnd(text: string): string {
  let to = text.length;
  while (to > 0 && isSpace(text.charAt(to - 1))) to--;
  return text.slice(0, to);
}

/** Without empty ones. */
export function wordsOf(text: string): string[] {
  return text.split(RUNS).filter((word) => word !== "");
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: Python ends lines at them
const LINE_END = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/g;

/** Python's str.splitlines. */
export function linesOf(text: string, keepEnds = false): string[] {
  const lines: string[] = [];
  let from = 0;
  for (const end of text.matchAll(LINE_END)) {
    const to = end.index + end[0].length;
    lines.push(text.slice(from, keepEnds ? to : end.index));
    from = to;
  }
  if (from < text.length) lines.push(text.slice(from));
  return lines;
}
