/** A count of parameters as Ollama writes it (its format.HumanNumber): 3.2B, 125M, 268.10M, 984K, 42. */
export function humanNumber(count: number): string {
  if (count >= 1e9) return `${decimals(count / 1e9, 1)}B`;
  if (count >= 1e6) return `${decimals(count / 1e6, 2)}M`;
  if (count >= 1e3) return `${(count / 1e3).toFixed(0)}K`;
  return String(count);
}

/** None for a whole number. */
function decimals(value: number, digits: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(digits);
}

const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** A number of bytes in a sentence: 1.9 MiB. */
export function humanBytes(bytes: number): string {
  const rank = Math.min(BYTE_UNITS.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const value = bytes / 1024 ** rank;
  return `${rank === 0 ? value : value.toFixed(1)} ${BYTE_UNITS[rank]}`;
}
