/** Bytes a second, the last few seconds counting most: an average that fades by the time, not by the number of samples. */
export class Speed {
  readonly #fadeMs: number;
  #bytes = 0;
  #sinceMs: number;
  #startMs: number;

  constructor(nowMs: number, fadeMs = 5_000) {
    this.#fadeMs = fadeMs;
    this.#sinceMs = nowMs;
    this.#startMs = nowMs;
  }

  add(bytes: number, nowMs: number): void {
    this.#fade(nowMs);
    this.#bytes += bytes;
  }

  bytesPerSecond(nowMs: number): number {
    this.#fade(nowMs);
    // At the start there is less to average over.
    const spanMs =
      this.#fadeMs * (1 - Math.exp(-Math.max(1, nowMs - this.#startMs) / this.#fadeMs));
    return (this.#bytes / spanMs) * 1_000;
  }

  #fade(nowMs: number): void {
    this.#bytes *= Math.exp(-(nowMs - this.#sinceMs) / this.#fadeMs);
    this.#sinceMs = nowMs;
  }
}
