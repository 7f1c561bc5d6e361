/** What came before says nothing of now. */
const WINDOW_MS = 10_000;
/** Below that the number jumps. */
const SPAN_MS_MIN = 500;

/** How fast something comes, over the last seconds. What was there before the first sample does not count. */
export class TransferRate {
  #samples: { readonly atMs: number; readonly doneBytes: number }[] = [];

  /** Returns bytes a second; undefined while that is not known. */
  take(atMs: number, doneBytes: number): number | undefined {
    this.#samples.push({ atMs, doneBytes });
    // The one before the window stays, so that the rate of what stands still falls to 0 and not to "unknown".
    while (this.#samples.length > 2 && atMs - (this.#samples[1]?.atMs ?? 0) >= WINDOW_MS) {
      this.#samples.shift();
    }
    const first = this.#samples[0];
    if (!first || atMs - first.atMs < SPAN_MS_MIN) return undefined;
    return Math.max(0, ((doneBytes - first.doneBytes) / (atMs - first.atMs)) * 1_000);
  }
}
