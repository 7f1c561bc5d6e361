import { once } from "node:events";
import { createWriteStream, type WriteStream } from "node:fs";
import { finished } from "node:stream/promises";
import { AppError, messageOf } from "../core/errors.ts";

/** One thing of the old store that was not taken over. */
export interface SkipLine {
  readonly key: string;
  readonly reason: string;
  readonly detail: string;
}

const SHOWN_MAX = 10;

/**
 * What was skipped and why: all of it in a file, one JSON object a line and a summary at the end, and its first lines and
 * the count of each reason in memory.
 */
export class SkipReport implements AsyncDisposable {
  readonly file: string;
  readonly counts = new Map<string, number>();
  readonly first: SkipLine[] = [];
  readonly #stream: WriteStream;

  private constructor(file: string, stream: WriteStream) {
    this.file = file;
    this.#stream = stream;
  }

  static async create(file: string): Promise<SkipReport> {
    const stream = createWriteStream(file, { mode: 0o600 });
    try {
      await once(stream, "open");
    } catch (error) {
      throw cannotWrite(file, error);
    }
    // Told to whoever writes next.
    stream.on("error", () => {});
    return new SkipReport(file, stream);
  }

  async add(lines: readonly SkipLine[]): Promise<void> {
    for (const line of lines) {
      this.counts.set(line.reason, (this.counts.get(line.reason) ?? 0) + 1);
      if (this.first.length < SHOWN_MAX) this.first.push(line);
    }
    await this.#write(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  }

  async end(summary: unknown): Promise<void> {
    await this.#write(`${JSON.stringify({ summary })}\n`);
    this.#stream.end();
    await finished(this.#stream);
  }

  async #write(text: string): Promise<void> {
    if (text === "") return;
    if (this.#stream.errored) throw cannotWrite(this.file, this.#stream.errored);
    await new Promise<void>((resolve, reject) => {
      this.#stream.write(text, (error) =>
        error ? reject(cannotWrite(this.file, error)) : resolve(),
      );
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stream.closed) return;
    this.#stream.destroy();
    await once(this.#stream, "close");
  }
}

function cannotWrite(file: string, error: unknown): AppError {
  return new AppError(
    "REPORT_NOT_WRITABLE",
    `cannot write the report of what is skipped to ${file} (${messageOf(error)}): name another file with --report`,
    { cause: error },
  );
}
