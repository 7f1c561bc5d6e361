/** Values as Go's fmt prints them, which /api/show copies into its texts. */

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  "\u0007": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  "\\": "\\\\",
  '"': '\\"',
};

/** strconv.Quote. */
export function goQuote(text: string): string {
  const escaped = text.replace(/[\\"]|\p{C}|[^\S ]/gu, (char) => {
    const short = SHORT_ESCAPES[char];
    if (short !== undefined) return short;
    const code = char.codePointAt(0) ?? 0;
    const [letter, digits] = code < 0x80 ? ["x", 2] : code <= 0xffff ? ["u", 4] : ["U", 8];
    return `\\${letter}${code.toString(16).padStart(digits, "0")}`;
  });
  return `"${escaped}"`;
}

/** %v of what Go's JSON decoder makes: its numbers are all float64. */
export function goPlain(value: unknown): string {
  if (typeof value === "number") return goFloat(value);
  if (value === null || value === undefined) return "<nil>";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** %#v: as %v, but texts are quoted. */
export function goSyntax(value: unknown): string {
  return typeof value === "string" ? goQuote(value) : goPlain(value);
}

/** From this exponent on, and below -4, strconv's 'g' writes one. */
const EXPONENT_FROM = 6;

function goFloat(value: number): string {
  const [mantissa = "0", exponentText = "0"] = value.toExponential().split("e");
  const exponent = Number(exponentText);
  if (value === 0 || (exponent >= -4 && exponent < EXPONENT_FROM)) return String(value);
  const sign = exponent < 0 ? "-" : "+";
  return `${mantissa}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
}
