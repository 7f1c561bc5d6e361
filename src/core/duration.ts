import { AppError } from "./errors.ts";

const UNIT_MS: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  // Both letters: the micro sign and the Greek mu.
  "\u00b5s": 1e-3,
  "\u03bcs": 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};
/** A number, then its unit: everything up to the next number. */
const COMPONENT = /(\d+(?:\.\d*)?|\.\d+)([^\d.]*)/y;

export class DurationError extends AppError<"INVALID_DURATION"> {}

/** Go's time.ParseDuration ("1h30m", "300ms", "0", "-1s"), in milliseconds, with Go's error texts. */
export function parseGoDuration(text: string): number {
  const quoted = JSON.stringify(text);
  const sign = text.startsWith("-") ? -1 : 1;
  const body = text.replace(/^[+-]/, "");
  if (body === "0") return 0;
  if (!/^[\d.]/.test(body)) {
    throw new DurationError("INVALID_DURATION", `time: invalid duration ${quoted}`);
  }
  let totalMs = 0;
  COMPONENT.lastIndex = 0;
  while (COMPONENT.lastIndex < body.length) {
    const [, amount = "", unit = ""] = COMPONENT.exec(body) ?? [];
    if (amount === "") {
      throw new DurationError("INVALID_DURATION", `time: invalid duration ${quoted}`);
    }
    if (unit === "") {
      throw new DurationError("INVALID_DURATION", `time: missing unit in duration ${quoted}`);
    }
    const unitMs = UNIT_MS[unit];
    if (unitMs === undefined) {
      throw new DurationError(
        "INVALID_DURATION",
        `time: unknown unit ${JSON.stringify(unit)} in duration ${quoted}`,
      );
    }
    totalMs += Number(amount) * unitMs;
  }
  return sign * totalMs;
}

/**
 * Ollama's keep_alive: a number of seconds or a Go duration; negative means for ever (Infinity).
 * Returns milliseconds.
 */
export function parseKeepAlive(value: string | number): number {
  const ms = typeof value === "number" ? value * 1_000 : parseGoDuration(value);
  return ms < 0 ? Number.POSITIVE_INFINITY : ms;
}
