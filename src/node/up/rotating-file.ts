import { closeSync, fstatSync, openSync, renameSync, writeSync } from "node:fs";

const FILE_BYTES_MAX = 10 * 1024 * 1024;

/**
 * A log file that keeps at most twice FILE_BYTES_MAX: the full one becomes `<file>.1` and replaces the one before. Writes
 * are synchronous, so that no line is lost or lands in the wrong file around a rotation; a daemon logs little.
 */
export class RotatingFile implements Disposable {
  readonly #path: string;
  #fd: number;
  #bytes: number;

  private constructor(path: string, fd: number) {
    this.#path = path;
    this.#fd = fd;
    this.#bytes = fstatSync(fd).size;
  }

  static open(path: string): RotatingFile {
    return new RotatingFile(path, openForAppend(path));
  }

  write(chunk: Buffer): void {
    if (this.#bytes + chunk.length > FILE_BYTES_MAX) this.#rotate();
    this.#bytes += chunk.length;
    writeSync(this.#fd, chunk);
  }

  #rotate(): void {
    closeSync(this.#fd);
    renameSync(this.#path, `${this.#path}.1`);
    this.#fd = openForAppend(this.#path);
    this.#bytes = 0;
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

function openForAppend(path: string): number {
  return openSync(path, "a", 0o600);
}
