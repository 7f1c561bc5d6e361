/** A code point has at most four bytes, so at most four byte tokens: more that still end badly are bad text. */
const PENDING_TOKENS_MAX = 4;
const CONTEXT_TOKENS = 8;
const REPLACEMENT = "\uFFFD";

/** Turns tokens into text, holding tokens back while they end inside a code point. */
export class TokenText<T = number> {
  readonly #detokenize: (tokens: readonly T[], before: readonly T[]) => string;
  /** Tokenizers decide about spaces by what came before. */
  #before: readonly T[];
  #pending: T[] = [];

  constructor(
    detokenize: (tokens: readonly T[], before: readonly T[]) => string,
    before: readonly T[],
  ) {
    this.#detokenize = detokenize;
    this.#before = before.slice(-CONTEXT_TOKENS);
  }

  /** The text that is certain now, "" while a code point is incomplete. */
  push(token: T): string {
    this.#pending.push(token);
    const text = this.#detokenize(this.#pending, this.#before);
    if (text.endsWith(REPLACEMENT) && this.#pending.length < PENDING_TOKENS_MAX) return "";
    this.#take();
    return text;
  }

  #take(): void {
    this.#before = [...this.#before, ...this.#pending].slice(-CONTEXT_TOKENS);
    this.#pending = [];
  }
}
