/** What TypeScript's libraries do not know yet (https://github.com/tc39/proposal-json-parse-with-source). */
declare global {
  interface JSON {
    parse(
      text: string,
      reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
    ): unknown;
    rawJSON(text: string): object;
    isRawJSON(value: unknown): boolean;
  }
}

/**
 * JSON.parse, but whole numbers stay as they were written: tools are called with ids of 19 digits, of which JavaScript would
 * change the last ones. Throws also where numbers have no end, or depth is more than could be written again.
 */
export function parseJson(text: string): unknown {
  return JSON.parse(text, (_key, value, { source }) => {
    if (typeof value !== "number" || source === undefined) return value;
    const number = numberOf(source);
    if (number === undefined) throw new SyntaxError("the number is too large for JSON");
    return number;
  });
}

const INTEGER = /^-?[1-9]\d*$/;

/** What JavaScript cannot hold is something that JSON.stringify writes as it was. Undefined where it has no end, or is none. */
export function numberOf(written: string): number | object | undefined {
  const number = Number(written);
  if (!Number.isFinite(number)) return undefined;
  return INTEGER.test(written) && !Number.isSafeInteger(number) ? JSON.rawJSON(written) : number;
}
