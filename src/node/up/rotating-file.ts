import { createWriteStream, existsSync, renameSync, statSync, type WriteStream } from "node:fs";
import { finished } from "node:stream/promises";

const FILE_BYTES_MAX = 10 * 1024 * 1024;

/** A log file that keeps at most twice FILE_BYTES_MAX: the full one becomes `<file>.1` and replaces the one before. */
export class RotatingFile implements AsyncDisposable {
  readonly #path: string;
  #stream: WriteStream;
  #bytes: number;

  private constructor(path: string) {
    this.#path = path;
    this.#bytes = existsSync(path) ? statSync(path).size : 0;
    this.#stream = createWriteStream(path, { flags: "a", mode: 0o600 });
  }

  static open(path: string): RotatingFile {
    return new RotatingFile(path);
  }

  write(chunk: Buffer): void {
    if (this.#bytes + chunk.length > FILE_BYTES_MAX) this.#rotate();
    this.#bytes += chunk.length;
    this.#stream.write(chunk);
  }

  #rotate(): void {
    this.#stream.end();
    if (existsSync(this.#path)) renameSync(this.#path, `${this.#path}.1`);
    this.#stream = createWriteStream(this.#path, { flags: "a", mode: 0o600 });
    this.#bytes = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stream.end();
    await finished(this.#stream).catch(() => {});
  }
}
