import type { Clock } from "../core/clock.ts";
import { InferenceError } from "../core/errors.ts";
import type { GenerateEvent, GenerateRequest } from "../core/inference.ts";
import { LinkedSignal } from "../core/linked-signal.ts";
import type { Engine, Waiting } from "../core/ports.ts";
import type { Phase, Watchdog } from "./watchdog.ts";

/** The engine's events; STALLED when the next one takes longer than the watchdog allows. */
export async function* watched(
  engine: Engine,
  request: GenerateRequest,
  watchdog: Watchdog,
  clock: Clock,
  { signal }: Waiting,
): AsyncIterable<GenerateEvent> {
  using unlessStalled = new LinkedSignal(signal);
  const iterator = engine.generate(request, unlessStalled)[Symbol.asyncIterator]();
  using patience = new Patience(clock, (error) => unlessStalled.abort(error));
  let phase: Phase = "first token";
  try {
    for (;;) {
      const askedMs = clock.nowMs();
      const result = await patience.wait(iterator.next(), watchdog.limitMs(request.model, phase));
      if (result.done) return;
      const event = result.value;
      if (event.type === "text" && phase !== "waiting") {
        watchdog.learn(request.model, phase, clock.nowMs() - askedMs);
      }
      phase = phaseAfter(event);
      yield event;
    }
  } finally {
    // A step is under way only after a stall, whose abort ends it; nobody waits for a source that does not heed that.
    void iterator.return?.()?.then(undefined, () => {});
  }
}

/** Made once: an error's stack costs more than the rest of an event's way. */
const LEFT = new InferenceError("CANCELLED", "nobody reads this answer any more");

function phaseAfter(event: GenerateEvent): Phase {
  if (event.type === "queued" || event.type === "loading") return "waiting";
  return event.type === "text" ? "next token" : "first token";
}

/** The deadline is looked at as often, at least, so that it may also come nearer. Shorter than every limit. */
const LOOK_INTERVAL_MS = 1_000;
/** A timer that comes so late says that this process stood still itself; what it was waiting for may be here already. */
const LATE_MS_MIN = 500;

/** One alarm for all steps of an answer: setting and clearing one for each would cost more than all the rest. */
class Patience implements Disposable {
  readonly #clock: Clock;
  readonly #onStall: (error: InferenceError) => void;
  readonly #over = new AbortController();
  #deadlineMs = Number.POSITIVE_INFINITY;
  #limitMs = 0;
  #watching: Promise<void> | undefined;
  #giveUp: (error: InferenceError) => void = () => {};

  constructor(clock: Clock, onStall: (error: InferenceError) => void) {
    this.#clock = clock;
    this.#onStall = onStall;
  }

  /** What the step comes to, or STALLED when that takes longer; what becomes of it then is nobody's. */
  wait<T>(step: Promise<T>, limitMs: number): Promise<T> {
    this.#limitMs = limitMs;
    this.#deadlineMs = this.#clock.nowMs() + limitMs;
    this.#watching ??= this.#watch().catch(() => {}); // Its sleep ends with the answer.
    return new Promise((resolve, reject) => {
      this.#giveUp = reject;
      const done = (): void => {
        this.#deadlineMs = Number.POSITIVE_INFINITY;
      };
      step.then(
        (value) => {
          done();
          resolve(value);
        },
        (error) => {
          done();
          reject(error);
        },
      );
    });
  }

  async #watch(): Promise<void> {
    for (;;) {
      const nowMs = this.#clock.nowMs();
      const leftMs = this.#deadlineMs - nowMs;
      if (leftMs <= 0) break;
      const napMs = Math.min(leftMs, LOOK_INTERVAL_MS);
      await this.#clock.sleep(napMs, this.#over.signal);
      const lateMs = this.#clock.nowMs() - nowMs - napMs;
      if (lateMs > LATE_MS_MIN) this.#deadlineMs += lateMs;
    }
    const seconds = (this.#limitMs / 1_000).toFixed(1);
    const error = new InferenceError("STALLED", `the node said nothing for ${seconds} s`);
    this.#onStall(error);
    this.#giveUp(error);
  }

  [Symbol.dispose](): void {
    this.#over.abort(LEFT);
  }
}
