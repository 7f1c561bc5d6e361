import {
  EVENTS_IN_FLIGHT_MAX,
  type JobEvent,
  type TextEvent,
  TOKENS_AHEAD_MAX,
} from "./protocol.ts";

/**
 * The way of a generation's events to its reader. While the reader keeps up, each event goes out at once. When it is behind
 * by EVENTS_IN_FLIGHT_MAX events, texts are put together; when they hold TOKENS_AHEAD_MAX tokens, the generation waits.
 */
export class Outbox {
  readonly #send: (event: JobEvent) => void;
  #credit = EVENTS_IN_FLIGHT_MAX;
  #waitingText: TextEvent | undefined;
  #wake: (() => void) | undefined;

  constructor(send: (event: JobEvent) => void) {
    this.#send = send;
  }

  /** Resolves when there is room for more. */
  async text(event: TextEvent, signal: AbortSignal): Promise<void> {
    if (this.#credit > 0) {
      this.#credit--;
      this.#send(event);
      return;
    }
    this.#waitingText = this.#waitingText ? joined(this.#waitingText, event) : event;
    while ((this.#waitingText?.tokens ?? 0) >= TOKENS_AHEAD_MAX && !signal.aborted) {
      const woken = Promise.withResolvers<void>();
      this.#wake = woken.resolve;
      const onAbort = (): void => woken.resolve();
      signal.addEventListener("abort", onAbort);
      await woken.promise;
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** What is not text is rare and small: it goes out at once, after the text before it. */
  other(event: JobEvent): void {
    this.#flush();
    this.#credit--;
    this.#send(event);
  }

  /** The reader has taken so many events. */
  credit(events: number): void {
    this.#credit += events;
    if (this.#credit > 0) this.#flush();
    this.#wake?.();
  }

  #flush(): void {
    if (!this.#waitingText) return;
    this.#credit--;
    this.#send(this.#waitingText);
    this.#waitingText = undefined;
  }
}

function joined(first: TextEvent, second: TextEvent): TextEvent {
  const logprobs = [...(first.logprobs ?? []), ...(second.logprobs ?? [])];
  return {
    type: "text",
    text: first.text + second.text,
    tokens: first.tokens + second.tokens,
    ...(logprobs.length > 0 && { logprobs }),
  };
}
