import type { Logprob } from "../../core/inference.ts";
import type { FormatGate } from "./format-gate.ts";
import type { Outbox } from "./outbox.ts";
import { StopWords } from "./stop-words.ts";

/** From the texts of tokens to what may be sent: nothing that may become a stop word. */
export class AnswerText {
  readonly #stop: StopWords;
  readonly #gate: FormatGate;
  #tokens = 0;
  #logprobs: Logprob[] = [];
  #sentChars = 0;

  constructor(stop: readonly string[], gate: FormatGate) {
    this.#stop = new StopWords(stop);
    this.#gate = gate;
  }

  get sentChars(): number {
    return this.#sentChars;
  }

  /** Takes a token's whole code points, if it completes any. True when it completed a stop word. */
  async push(
    raw: string,
    logprob: Logprob | undefined,
    outbox: Outbox,
    signal: AbortSignal,
  ): Promise<boolean> {
    this.#tokens++;
    if (logprob) this.#logprobs.push(logprob);
    this.#gate.push(raw);
    const { text, stopped } = this.#stop.push(raw);
    await this.#emit(text, outbox, signal);
    return stopped;
  }

  async flush(outbox: Outbox, signal: AbortSignal): Promise<void> {
    await this.#emit(this.#stop.flush(), outbox, signal);
  }

  async #emit(text: string, outbox: Outbox, signal: AbortSignal): Promise<void> {
    if (text === "") return;
    this.#sentChars += text.length;
    const logprobs = this.#logprobs;
    const tokens = this.#tokens;
    this.#logprobs = [];
    this.#tokens = 0;
    await outbox.text(
      { type: "text", text, tokens, ...(logprobs.length > 0 && { logprobs }) },
      signal,
    );
  }
}
