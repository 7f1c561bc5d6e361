import { availableParallelism } from "node:os";
import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/log.ts";
import { ManagementError } from "../../core/management.ts";
import type { Waiting } from "../../core/ports.ts";
import type { QuantizeJob, Quantizer } from "../../core/quantization.ts";
import { unlessAborted } from "../changes.ts";
import { QuantizeProcess } from "./quantize-process.ts";
import { reminded } from "./reminded.ts";

const WAITING_MAX = 64;
/** Of the largest tensors, one takes minutes. */
const REMIND_EACH_MS = 15_000;

interface Deps {
  readonly clock: Clock;
  readonly log: Logger;
}

/** Quantizes one model at a time, each in a process of its own, with a core left for the node. */
export class ChildQuantizer implements Quantizer {
  readonly #deps: Deps;
  #turn: Promise<void> = Promise.resolve();
  #inLine = 0;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  quantize(job: QuantizeJob, { signal }: Waiting): AsyncIterable<number> {
    const { clock } = this.#deps;
    return reminded((o) => this.#inTurn(job, o), REMIND_EACH_MS, { clock, signal });
  }

  async *#inTurn(job: QuantizeJob, { signal }: Waiting): AsyncIterable<number> {
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
      await using child = QuantizeProcess.spawn(task, this.#deps);
      yield* child.progress({ signal });
    } finally {
      this.#inLine--;
      turn.resolve();
    }
  }
}
