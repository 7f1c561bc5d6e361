const ESCAPES: Readonly<Record<string, string>> = {
  ...{ n: "\n", t: "\t", r: "\r", a: "\x07", b: "\b", f: "\f", v: "\v", "\n": "" },
  ...{ "\\": "\\", "'": "'", '"': '"' },
};

/** Python's escapes; what is none stays as it is, with its backslash. */
export function unescaped(text: string): string {
  if (!text.includes("\\")) return text;
  return text.replace(
    /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{1,3})|([\s\S]))/g,
    (all: string, x?: string, u?: string, long?: string, octal?: string, other = "") => {
      const hex = x ?? u ?? long;
      const code = hex !== undefined ? Number.parseInt(hex, 16) : Number.parseInt(octal ?? "", 8);
      if (Number.isNaN(code)) return ESCAPES[other] ?? all;
      return code <= 0x10ffff ? String.fromCodePoint(code) : "\ufffd";
    },
  );
}
