/** As JSON.parse does it: a key may be any text, "__proto__" too. */
export function define(values: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(values, key, {
    ...{ value, enumerable: true, writable: true, configurable: true },
  });
}
