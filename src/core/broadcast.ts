/**
 * Hands each value to every reader that listens at that moment. A reader has a bounded backlog: one that falls behind
 * loses its oldest values, and never slows the others or the writer.
 */
export class Broadcast<T> {
  readonly #backlogMax: number;
  readonly #readers = new Set<Reader<T>>();

  constructor(backlogMax = 1_000) {
    this.#backlogMax = backlogMax;
  }

  publish(value: T): void {
    for (const reader of this.#readers) {
      reader.backlog.push(value);
      if (reader.backlog.length > this.#backlogMax) reader.backlog.shift();
      reader.wake();
    }
  }

  /** Values published from this call on; ends when the signal aborts. */
  subscribe({ signal }: { readonly signal: AbortSignal }): AsyncIterable<T> {
    const reader: Reader<T> = { backlog: [], wake: () => {} };
    if (!signal.aborted) this.#readers.add(reader);
    const onAbort = (): void => {
      this.#readers.delete(reader);
      reader.wake();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    return this.#read(reader, signal, onAbort);
  }

  async *#read(reader: Reader<T>, signal: AbortSignal, onAbort: () => void): AsyncIterable<T> {
    try {
      while (!signal.aborted) {
        const next = reader.backlog.shift();
        if (next !== undefined) {
          yield next;
          continue;
        }
        await new Promise<void>((resolve) => {
          reader.wake = resolve;
        });
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
      this.#readers.delete(reader);
    }
  }
}

interface Reader<T> {
  readonly backlog: T[];
  wake: () => void;
}
