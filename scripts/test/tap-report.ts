/** What a file of tests said. */
export interface FileCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/**
 * Reads one file's TAP 14 (https://testanything.org/tap-version-14-specification.html) line by line: subtests are indented, and
 * each is summed up by a line of its parent's, which does not count. Keeps all that TAP says of a failure.
 */
export class TapReport {
  readonly failures: string[] = [];
  #counts = { passed: 0, failed: 0, skipped: 0 };
  #deepest = 0;
  #telling = false;

  get counts(): FileCounts {
    return this.#counts;
  }

  take(line: string): void {
    const [, indent = "", not, rest] = /^( *)(not )?ok \d+(.*)$/.exec(line) ?? [];
    if (rest === undefined) {
      this.#takeDiagnosis(line);
      return;
    }
    const sumsUp = indent.length < this.#deepest;
    this.#deepest = indent.length;
    const isSkipped = /# (SKIP|TODO)\b/i.test(rest);
    if (isSkipped) this.#counts.skipped++;
    else if (!sumsUp) {
      if (not) this.#counts.failed++;
      else this.#counts.passed++;
    }
    this.#telling = Boolean(not) && !isSkipped;
    if (this.#telling) this.failures.push(`${indent}FAILED${rest}`);
  }

  #takeDiagnosis(line: string): void {
    if (this.#telling) this.failures.push(line);
    if (line.trim() === "...") this.#telling = false;
  }
}
