export interface FreeSequence {
  /** What it has evaluated. */
  readonly tokens: readonly number[];
  /** Grows with each use: the smallest is the one unused for longest. */
  readonly lastUsed: number;
}

/** A shared prefix shorter than this share of the prompt (a template's first words) is no reason to overwrite a conversation. */
const SHARED_PREFIX_MIN = 0.1;

/**
 * The free sequence to run a prompt on, and how many of its tokens can stay: the one that shares the longest prefix, so that
 * a conversation's next turn evaluates only what is new; else the one unused for longest. At least one token is left to
 * evaluate, since it gives the first answer token. Undefined when none is free.
 */
export function chooseSequence<S extends FreeSequence>(
  free: readonly S[],
  prompt: readonly number[],
): { readonly sequence: S; readonly shared: number } | undefined {
  let best: { sequence: S; shared: number; worth: number } | undefined;
  for (const sequence of free) {
    const shared = Math.min(sharedPrefix(sequence.tokens, prompt), prompt.length - 1);
    const worth = shared < SHARED_PREFIX_MIN * prompt.length ? 0 : shared;
    const better =
      !best ||
      worth > best.worth ||
      (worth === best.worth && sequence.lastUsed < best.sequence.lastUsed);
    if (better) best = { sequence, shared: Math.max(0, shared), worth };
  }
  return best;
}

export function sharedPrefix(a: readonly number[], b: readonly number[]): number {
  const length = Math.min(a.length, b.length);
  let shared = 0;
  while (shared < length && a[shared] === b[shared]) shared++;
  return shared;
}
