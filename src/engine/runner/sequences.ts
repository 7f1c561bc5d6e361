import type { LlamaContext, LlamaContextSequence, Token } from "node-llama-cpp";
import { chooseSequence } from "./choose-sequence.ts";
import { Pauses } from "./pauses.ts";

interface Slot {
  readonly sequence: LlamaContextSequence;
  tokens: readonly Token[];
  lastUsed: number;
}

/** A sequence lent to one generation; `cachedTokens` of its prompt are in place, nothing else is. */
export interface Lease {
  readonly sequence: LlamaContextSequence;
  readonly cachedTokens: number;
}

/** The sequences of a context. The engine sends no more jobs than there are; one that has just been cancelled may still end. */
export class Sequences {
  readonly pauses = new Pauses();
  readonly #free: Slot[];
  readonly #waiting: (() => void)[] = [];
  #uses = 0;

  constructor(context: LlamaContext) {
    this.#free = Array.from({ length: context.totalSequences }, () => ({
      sequence: context.getSequence(),
      tokens: [],
      lastUsed: 0,
    }));
  }

  /** Lends the sequence that suits these tokens best while `action` runs. */
  async withSequence<T>(
    tokens: readonly Token[],
    action: (lease: Lease) => Promise<T>,
  ): Promise<T> {
    let choice = chooseSequence(this.#free, tokens);
    while (!choice) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
      choice = chooseSequence(this.#free, tokens);
    }
    const { sequence: slot, shared } = choice;
    this.#free.splice(this.#free.indexOf(slot), 1);
    const { sequence } = slot;
    try {
      const range = { start: shared, end: sequence.nextTokenIndex };
      if (range.end > range.start) {
        await this.pauses.during(() => sequence.eraseContextTokenRanges([range]));
      }
      // Erasing drops the whole state where the model cannot forget a part of it.
      return await action({ sequence, cachedTokens: sequence.nextTokenIndex });
    } catch (error) {
      await this.pauses.during(() => sequence.clearHistory());
      throw error;
    } finally {
      slot.tokens = sequence.contextTokens;
      slot.lastUsed = ++this.#uses;
      this.#free.push(slot);
      this.#waiting.shift()?.();
    }
  }
}
