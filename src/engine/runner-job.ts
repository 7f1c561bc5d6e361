import { InferenceError } from "../core/errors.ts";
import type { Tokens } from "../core/inference.ts";
import type { Waiting } from "../core/ports.ts";
import {
  EVENTS_IN_FLIGHT_MAX,
  type FromRunner,
  type JobEvent,
  type ToRunner,
} from "./runner/protocol.ts";

type JobMessage = Extract<FromRunner, { readonly id: number }>;

/** The engine's side of one job of a runner. */
export class RunnerJob {
  /** Resolves when the runner has nothing more to do for it: its slot is free. */
  readonly finished: Promise<void>;
  readonly #id: number;
  readonly #send: (message: ToRunner) => void;
  readonly #finish = Promise.withResolvers<void>();
  /** Wakes the one who reads. */
  #wake: (() => void) | undefined;
  /** The runner stops sending when EVENTS_IN_FLIGHT_MAX events lie here. */
  readonly #events: JobEvent[] = [];
  readonly #vectors: Float32Array[] = [];
  #promptTokens = 0;
  #converted: Omit<Tokens, "loadMs"> | undefined;
  #error: InferenceError | undefined;
  #done = false;

  constructor(id: number, send: (message: ToRunner) => void) {
    this.#id = id;
    this.#send = send;
    this.finished = this.#finish.promise;
  }

  get done(): boolean {
    return this.#done;
  }

  receive(message: JobMessage): void {
    if (message.type === "event") this.#events.push(message.event);
    else if (message.type === "vector") this.#vectors.push(message.vector);
    else if (message.type === "embedded") this.#promptTokens = message.promptTokens;
    else if (message.type === "tokens") this.#converted = message;
    else if (message.type === "failed") {
      this.#error = new InferenceError(message.failure.code, message.failure.message);
    } else this.#close();
    this.#notify();
  }

  /** The runner is gone. */
  fail(error: InferenceError): void {
    this.#error ??= error;
    this.#close();
    this.#notify();
  }

  /** The events up to the end. Leaving early, or aborting, cancels the job. */
  async *events({ signal }: Waiting): AsyncGenerator<JobEvent> {
    using _reading = this.#reading(signal);
    try {
      let taken = 0;
      for (;;) {
        signal.throwIfAborted();
        const event = this.#events.shift();
        if (event) {
          yield event;
          if (++taken % (EVENTS_IN_FLIGHT_MAX / 2) === 0) {
            this.#send({ type: "credit", id: this.#id, events: EVENTS_IN_FLIGHT_MAX / 2 });
          }
        } else if (this.#done) {
          if (this.#error) throw this.#error;
          return;
        } else await this.#news();
      }
    } finally {
      this.#cancel();
    }
  }

  /** The vectors, in the order of the inputs. */
  async embeddings({ signal }: Waiting): Promise<{
    readonly vectors: readonly (readonly number[])[];
    readonly promptTokens: number;
  }> {
    using _reading = this.#reading(signal);
    try {
      await this.#end(signal);
      if (this.#error) throw this.#error;
      const vectors = this.#vectors.map((vector) => Array.from(vector));
      return { vectors, promptTokens: this.#promptTokens };
    } finally {
      this.#cancel();
    }
  }

  async tokens({ signal }: Waiting): Promise<Omit<Tokens, "loadMs">> {
    using _reading = this.#reading(signal);
    try {
      await this.#end(signal);
      if (this.#error) throw this.#error;
      const { tokens, text } = this.#converted ?? { tokens: [], text: "" };
      return { tokens, text };
    } finally {
      this.#cancel();
    }
  }

  async #end(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    while (!this.#done) {
      await this.#news();
      signal.throwIfAborted();
    }
  }

  /** Until disposed, an abort is news too. */
  #reading(signal: AbortSignal): Disposable {
    signal.addEventListener("abort", this.#notify);
    return { [Symbol.dispose]: () => signal.removeEventListener("abort", this.#notify) };
  }

  #news(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  readonly #notify = (): void => {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  };

  #cancel(): void {
    if (!this.#done) this.#send({ type: "cancel", id: this.#id });
  }

  #close(): void {
    this.#done = true;
    this.#finish.resolve();
  }
}
