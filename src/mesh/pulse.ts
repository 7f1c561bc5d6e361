import type { Clock } from "../core/clock.ts";

/** A sleep that can be cut short from outside; a call that comes while nobody sleeps cuts the next one. */
export class Pulse {
  #rung = false;
  #ring: (() => void) | undefined;

  wake(): void {
    this.#rung = true;
    this.#ring?.();
  }

  /** Resolves after the time, at a call, or when the signal aborts: never rejects. */
  async sleep(clock: Clock, durationMs: number, signal: AbortSignal): Promise<void> {
    const cut = new AbortController();
    this.#ring = () => cut.abort();
    if (!this.#rung) {
      await clock.sleep(durationMs, AbortSignal.any([signal, cut.signal])).catch(() => {});
    }
    this.#rung = false;
    this.#ring = undefined;
  }
}
