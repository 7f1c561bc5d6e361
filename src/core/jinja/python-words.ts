/** A value of the library's, as it runs a template. */
export interface RuntimeValue {
  readonly type: string;
  readonly value: unknown;
}

/** As Python's str() says what is no text and no number; the library has JSON's words, or none. Undefined of others. */
export function pythonWords(value: RuntimeValue): string | undefined {
  return /^(Null|Boolean|Array|Tuple|Object)Value$/.test(value.type) ? repr(value) : undefined;
}

/** Python's repr(), of what JSON can say. */
function repr({ type, value }: RuntimeValue): string {
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value === "string") return quoted(value);
  if (typeof value === "number") {
    return type === "FloatValue" && Number.isInteger(value) ? value.toFixed(1) : `${value}`;
  }
  if (Array.isArray(value)) return `[${value.map(repr).join(", ")}]`;
  if (!(value instanceof Map)) return "None";
  const entries = [...value].map(([key, of]) => `${quoted(`${key}`)}: ${repr(of)}`);
  return `{${entries.join(", ")}}`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  ...{ "\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\" },
};

/** In double quotes where there is a single one and no double one. */
function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text
    .replace(/[\n\r\t\\]/g, (char) => ESCAPES[char] ?? char)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: Python escapes them
    .replace(/[\0-\x1f\x7f]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
  return quote + escaped.replaceAll(quote, `\\${quote}`) + quote;
}
