/** llama.cpp tells what it does in text alone (llama-quant.cpp), one line a tensor: it begins with the work and ends with it. */
const TENSOR_LINE = /^\[ *\d+\/ *\d+\] .* - \[([ \d,]+)\], type = /;
const FAILED = /failed to quantize: (.+)$/;
const LINE_CHARS_MAX = 4_096;
const REASON_CHARS_MAX = 300;
const TAIL_CHARS_MAX = 4_000;

/** Reads what the quantizer writes to its standard error, in whatever pieces it comes. */
export class QuantizerOutput {
  #line = "";
  #tail = "";
  #valuesDone = 0;
  #reason: string | undefined;

  push(text: string): void {
    this.#tail = (this.#tail + text).slice(-TAIL_CHARS_MAX);
    const [rest = "", ...lines] = text.split("\n");
    this.#line = (this.#line + rest).slice(0, LINE_CHARS_MAX);
    for (const next of lines) {
      this.#take(this.#line);
      this.#line = next.slice(0, LINE_CHARS_MAX);
    }
  }

  /** Of all tensors that are done. */
  get valuesDone(): number {
    return this.#valuesDone;
  }

  /** Why it gave up, without what is no plain text. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** The last of it, for the log. */
  get tail(): string {
    return this.#tail;
  }

  #take(line: string): void {
    this.#valuesDone += valuesOf(line);
    const reason = FAILED.exec(line)?.[1];
    if (reason !== undefined) {
      this.#reason = reason.replaceAll(/[^ -~]/g, "").slice(0, REASON_CHARS_MAX);
    }
  }
}

function valuesOf(line: string): number {
  const shape = TENSOR_LINE.exec(line)?.[1];
  if (shape === undefined) return 0;
  const values = shape.split(",").reduce((product, size) => product * Number(size), 1);
  return Number.isSafeInteger(values) ? values : 0;
}
