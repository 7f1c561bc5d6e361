const BAR_CELLS = 30;
const REDRAW_MS = 100;
const MEGABYTE = 1_000_000;

/** One line on standard error that is drawn again and again; nothing when nobody looks. */
export class ProgressBar implements Disposable {
  readonly #label: string;
  readonly #visible: boolean;
  #drawnAtMs = Number.NEGATIVE_INFINITY;

  constructor(label: string, visible: boolean) {
    this.#label = label;
    this.#visible = visible;
  }

  show(doneBytes: number, totalBytes: number): void {
    const nowMs = performance.now();
    if (!this.#visible || (nowMs - this.#drawnAtMs < REDRAW_MS && doneBytes < totalBytes)) return;
    this.#drawnAtMs = nowMs;
    const share = totalBytes === 0 ? 1 : Math.min(1, doneBytes / totalBytes);
    const filled = Math.round(share * BAR_CELLS);
    const bar = "█".repeat(filled) + "░".repeat(BAR_CELLS - filled);
    const megabytes = `${(doneBytes / MEGABYTE).toFixed(0)}/${(totalBytes / MEGABYTE).toFixed(0)} MB`;
    process.stderr.write(`\r${this.#label} ${bar} ${(share * 100).toFixed(0)} % ${megabytes} `);
  }

  clear(): void {
    if (this.#visible && this.#drawnAtMs > 0) process.stderr.write("\r\x1b[2K");
  }

  [Symbol.dispose](): void {
    this.clear();
  }
}
