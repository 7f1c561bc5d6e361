import { availableParallelism } from "node:os";
import type { Logger } from "../../core/log.ts";
import { ManagementError } from "../../core/management.ts";
import type { Waiting } from "../../core/ports.ts";
import type { QuantizeJob, Quantizer } from "../../core/quantization.ts";
import { unlessAborted } from "../changes.ts";
import { QuantizeProcess } from "./quantize-process.ts";

const WAITING_MAX = 64;

/** Quantizes one model at a time, each in a process of its own, with a core left for the node. */
export class ChildQuantizer implements Quantizer {
  readonly #log: Logger;
  #turn: Promise<void> = Promise.resolve();
  #inLine = 0;

  constructor(deps: { readonly log: Logger }) {
    this.#log = deps.log;
  }

  async *quantize(job: QuantizeJob, { signal }: Waiting): AsyncIterable<number> {
    signal.throwIfAborted();
    if (this.#inLine > WAITING_MAX) {
      throw new ManagementError(
        "QUANTIZER_BUSY",
        `${WAITING_MAX} models wait to be quantized already: try again when some are done`,
      );
    }
    const before = this.#turn;
    const turn = Promise.withResolvers<void>();
    // Who leaves the line still leaves it to those before.
    this.#turn = before.then(() => turn.promise);
    this.#inLine++;
    try {
      if (this.#inLine > 1) yield 0;
      await unlessAborted(before, signal);
      const task = { ...job, threads: Math.max(1, availableParallelism() - 1) };
      await using child = QuantizeProcess.spawn(task, { log: this.#log });
      yield* child.progress({ signal });
    } finally {
      this.#inLine--;
      turn.resolve();
    }
  }
}
