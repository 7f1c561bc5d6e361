import { widthOf } from "./cells.ts";
import { humanBytes } from "./client/human.ts";

export interface Progress {
  readonly label: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** Undefined: not known yet. */
  readonly bytesPerSecond: number | undefined;
}

const BAR_CELLS_MIN = 5;
const BAR_CELLS_MAX = 60;
/** Fixed, so that nothing jumps: "999 MB/999 MB", "  999 MB/s", "  59m59s" (Ollama's progress/bar.go). */
const AMOUNT_CELLS = 13;
const RATE_CELLS = 10;
const LEFT_CELLS = 8;
const HOUR_S = 3_600;
/** What takes longer is not known. */
const LEFT_S_MAX = 100 * HOUR_S;

/**
 * `pulling 0123456789ab  45% ▕███   ▏ 1.2 GB/2.6 GB   35 MB/s     40s`, in at most that many cells: a line that is longer
 * wraps, and what is drawn over it again and again floods the terminal. First the bar grows narrower and goes, then the time
 * left and the rate, and last the label is cut.
 */
export function progressLine(progress: Progress, cellsMax: number): string {
  const { doneBytes, totalBytes } = progress;
  const isDone = doneBytes >= totalBytes;
  const share = totalBytes <= 0 ? 1 : Math.min(1, doneBytes / totalBytes);
  // What is not there yet is no whole.
  const percent = `${isDone ? 100 : Math.min(99, Math.floor(share * 100))}%`.padStart(4);
  const label = printable(progress.label);
  for (const tail of tailsOf(progress, isDone)) {
    const barCells = Math.min(cellsMax - widthOf(`${label} ${percent} ▕▏ ${tail}`), BAR_CELLS_MAX);
    if (barCells >= BAR_CELLS_MIN) {
      const filled = Math.floor(share * barCells);
      return `${label} ${percent} ▕${"█".repeat(filled)}${" ".repeat(barCells - filled)}▏ ${tail}`;
    }
    const line = `${label} ${percent} ${tail}`;
    if (widthOf(line) <= cellsMax) return line;
  }
  const cut = cutTo(label, cellsMax - percent.length - 1);
  return cutTo(`${cut} ${percent}`, cellsMax);
}

/** From the longest to the shortest. */
function tailsOf(progress: Progress, isDone: boolean): readonly string[] {
  const { doneBytes, totalBytes, bytesPerSecond } = progress;
  if (isDone) return [humanBytes(totalBytes).padStart(AMOUNT_CELLS)];
  const amount = `${humanBytes(doneBytes)}/${humanBytes(totalBytes)}`.padStart(AMOUNT_CELLS);
  const isMoving = bytesPerSecond !== undefined && bytesPerSecond >= 1;
  const rate = isMoving ? `${humanBytes(bytesPerSecond)}/s` : "";
  const left = isMoving ? timeLeft((totalBytes - doneBytes) / bytesPerSecond) : "";
  const withRate = `${amount}${rate.padStart(RATE_CELLS)}`;
  return [`${withRate}${left.padStart(LEFT_CELLS)}`, withRate, amount, amount.trim()];
}

/** "40s", "3m5s", "1h2m". */
function timeLeft(seconds: number): string {
  if (seconds > LEFT_S_MAX) return "";
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  if (whole < HOUR_S) return `${Math.floor(whole / 60)}m${whole % 60}s`;
  return `${Math.floor(whole / HOUR_S)}h${Math.floor((whole % HOUR_S) / 60)}m`;
}

/** The names of files and what a node says may hold what moves the cursor. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, "");
}

function cutTo(text: string, cellsMax: number): string {
  if (widthOf(text) <= cellsMax) return text;
  let cells = 1;
  let cut = "";
  for (const letter of text) {
    cells += widthOf(letter);
    if (cells > cellsMax) break;
    cut += letter;
  }
  return cellsMax < 1 ? "" : `${cut}…`;
}
