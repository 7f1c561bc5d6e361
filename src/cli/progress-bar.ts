import { progressLine } from "./progress-line.ts";
import { TransferRate } from "./transfer-rate.ts";

const REDRAW_MS = 100;
const COLUMNS_UNTOLD = 80;

/** One line on standard error that is drawn again and again; nothing when nobody looks. */
export class ProgressBar implements Disposable {
  readonly #label: string;
  readonly #isVisible: boolean;
  readonly #rate = new TransferRate();
  #drawnAtMs = Number.NEGATIVE_INFINITY;
  #isDrawn = false;
  #isWhole = false;

  constructor(label: string, isVisible: boolean) {
    this.#label = label;
    this.#isVisible = isVisible;
  }

  show(doneBytes: number, totalBytes: number): void {
    const nowMs = performance.now();
    const isWhole = doneBytes >= totalBytes;
    const isEarly = nowMs - this.#drawnAtMs < REDRAW_MS && (!isWhole || this.#isWhole);
    if (!this.#isVisible || isEarly) return;
    this.#drawnAtMs = nowMs;
    this.#isDrawn = true;
    this.#isWhole = isWhole;
    const bytesPerSecond = this.#rate.take(nowMs, doneBytes);
    const progress = { label: this.#label, doneBytes, totalBytes, bytesPerSecond };
    // In the last column some terminals begin a new line.
    const line = progressLine(progress, (process.stderr.columns || COLUMNS_UNTOLD) - 1);
    process.stderr.write(`\r${line}\x1b[K`);
  }

  /** What is whole stays to be read, what is not goes. */
  end(): void {
    if (!this.#isWhole) this.clear();
    if (this.#isDrawn) process.stderr.write("\n");
    this.#isDrawn = false;
  }

  clear(): void {
    if (this.#isDrawn) process.stderr.write("\r\x1b[2K");
    this.#isDrawn = false;
  }

  [Symbol.dispose](): void {
    this.clear();
  }
}
