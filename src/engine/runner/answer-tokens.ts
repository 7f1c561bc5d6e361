interface Piece<T> {
  readonly token: T;
  /** Where the text ends that is certain with it; undefined while it ends inside a character. */
  readonly end: number | undefined;
}

/** The tokens of an answer, with what each adds to its text. */
export class AnswerTokens<T> {
  readonly #pieces: Piece<T>[] = [];
  #text = "";

  get count(): number {
    return this.#pieces.length;
  }

  /** The last ones, or all. */
  last(count: number): readonly T[] {
    return this.#pieces.slice(Math.max(0, this.count - count)).map(({ token }) => token);
  }

  /** A token and the whole characters that it completes. */
  push(token: T, text: string): void {
    this.#text += text;
    this.#pieces.push({ token, end: text === "" ? undefined : this.#text.length });
  }

  /** Those of the first so many chars. Where these end inside a token, the rest of them is cut into tokens anew. */
  upTo(chars: number, tokenize: (text: string) => readonly T[]): readonly T[] {
    const last = this.#pieces.findLastIndex(({ end }) => end !== undefined && end <= chars);
    const rest = this.#text.slice(this.#pieces[last]?.end ?? 0, chars);
    const whole = this.#pieces.slice(0, last + 1).map(({ token }) => token);
    return rest === "" ? whole : [...whole, ...tokenize(rest)];
  }
}
