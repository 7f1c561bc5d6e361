/** Letters that take two cells in a terminal: of East Asia, and emoji. */
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

/** How many cells of a terminal a line takes. */
export function widthOf(line: string): number {
  let cells = 0;
  for (const letter of line) cells += WIDE.test(letter) ? 2 : 1;
  return cells;
}

/** How many rows of a terminal a text takes, whose lines it wraps. */
export function rowsOf(text: string, columns: number): number {
  const lines = text.split("\n");
  return lines.reduce((rows, line) => rows + Math.max(1, Math.ceil(widthOf(line) / columns)), 0);
}

/** Whatever a database or another node holds, it does not steer the terminal. */
export function plain(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, " ");
}

const CONTROL_PICTURES = 0x2400;
const DELETE = 0x7f;
const DELETE_PICTURE = 0x2421;

/**
 * What a model answered or a file holds is shown in a terminal, not obeyed: control characters as pictures of themselves, but for
 * those that lay out text. A file or a pipe gets every one.
 */
export function readable(text: string, output: { readonly isTTY?: boolean }): string {
  if (!output.isTTY) return text;
  return text.replaceAll(/\r(?=\n|$)/g, "").replaceAll(/(?![\n\t])\p{Cc}/gu, (control) => {
    const code = control.charCodeAt(0);
    if (code > DELETE) return "\ufffd";
    return String.fromCharCode(code === DELETE ? DELETE_PICTURE : CONTROL_PICTURES + code);
  });
}
