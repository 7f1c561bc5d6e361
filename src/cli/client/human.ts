/** Ollama's words for sizes and times (format/bytes.go, format/time.go). */

const UNITS = [
  ["TB", 1e12],
  ["GB", 1e9],
  ["MB", 1e6],
  ["KB", 1e3],
] as const;

export function humanBytes(bytes: number): string {
  const [unit, size] = UNITS.find(([, size]) => bytes >= size) ?? ["B", 1];
  const value = bytes / size;
  const shown = value >= 10 || Number.isInteger(value) ? Math.trunc(value) : value.toFixed(1);
  return `${shown} ${unit}`;
}

const MINUTE_S = 60;
const HOUR_S = 60 * MINUTE_S;
const DAY_S = 24 * HOUR_S;
/** Below each limit in seconds, how many of what. */
const SPANS: readonly (readonly [belowS: number, words: (seconds: number) => string])[] = [
  [1, () => "Less than a second"],
  [2, () => "1 second"],
  [MINUTE_S, (s) => `${Math.floor(s)} seconds`],
  [2 * MINUTE_S, () => "About a minute"],
  [HOUR_S, (s) => `${Math.floor(s / MINUTE_S)} minutes`],
  [1.5 * HOUR_S, () => "About an hour"],
  [2 * DAY_S, (s) => `${Math.round(s / HOUR_S)} hours`],
  [14 * DAY_S, (s) => `${Math.floor(s / DAY_S)} days`],
  [60 * DAY_S, (s) => `${Math.floor(s / DAY_S / 7)} weeks`],
  [730 * DAY_S, (s) => `${Math.floor(s / DAY_S / 30)} months`],
  [Number.POSITIVE_INFINITY, (s) => `${Math.floor(s / DAY_S / 365)} years`],
];
/** What is this far ahead stands for "for ever". */
const FOR_EVER_S = 20 * 365 * DAY_S;

/** "3 days ago", "4 minutes from now", "Never" of what is no time, "Forever" of what is far ahead. */
export function humanTime(iso: unknown, nowMs: number): string {
  const ms = typeof iso === "string" ? Date.parse(iso) : Number.NaN;
  if (Number.isNaN(ms)) return "Never";
  const ahead = (ms - nowMs) / 1_000;
  if (ahead > FOR_EVER_S) return "Forever";
  const seconds = Math.abs(ahead);
  const words = SPANS.find(([belowS]) => seconds < belowS)?.[1](seconds) ?? "";
  return `${words} ${ahead > 0 ? "from now" : "ago"}`;
}

/** "1.2s", "340ms", "5m3s". */
export function humanDuration(ns: unknown): string {
  const ms = Number(ns) / 1e6;
  if (!(ms >= 0)) return "0s";
  if (ms < 1_000) return `${Number(ms.toPrecision(4))}ms`;
  const seconds = ms / 1_000;
  if (seconds < MINUTE_S) return `${Number(seconds.toPrecision(6))}s`;
  return `${Math.floor(seconds / MINUTE_S)}m${Math.floor(seconds % MINUTE_S)}s`;
}
