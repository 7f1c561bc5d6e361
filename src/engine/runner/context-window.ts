/** The window's room that one shift frees: half of what may go (as Ollama), so that shifts stay rare. */
const SHIFT_SHARE = 0.5;

/** The first `keep` tokens and the last ones, `tokensMax` in all. */
export function cutTokens<T>(tokens: readonly T[], tokensMax: number, keep: number): readonly T[] {
  if (tokens.length <= tokensMax) return tokens;
  const kept = Math.min(keep, tokensMax - 1);
  return [...tokens.slice(0, kept), ...tokens.slice(tokens.length - (tokensMax - kept))];
}

/** Which tokens of a full window to erase so that generation can go on. */
export function shiftRange(
  length: number,
  keep: number,
): { readonly start: number; readonly end: number } {
  const start = Math.min(keep, length - 1);
  const count = Math.max(1, Math.floor((length - start) * SHIFT_SHARE));
  return { start, end: start + count };
}
