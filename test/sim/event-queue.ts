interface Entry {
  readonly dueMs: number;
  /** Of two that are due together, the one that was put in first comes first: the same seed gives the same run. */
  readonly order: number;
  readonly action: () => void;
}

/** What is still to happen, by time: a binary heap, for simulations of many millions of events. */
export class EventQueue {
  readonly #heap: Entry[] = [];
  #order = 0;

  get nextMs(): number {
    return this.#heap[0]?.dueMs ?? Number.POSITIVE_INFINITY;
  }

  push(dueMs: number, action: () => void): void {
    const heap = this.#heap;
    const entry = { dueMs, order: this.#order++, action };
    let place = heap.length;
    heap.push(entry);
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = heap[parent] as Entry;
      if (!isBefore(entry, above)) break;
      heap[place] = above;
      place = parent;
    }
    heap[place] = entry;
  }

  pop(): (() => void) | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first && last && heap.length > 0) this.#sink(last);
    return first?.action;
  }

  #sink(entry: Entry): void {
    const heap = this.#heap;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= heap.length) break;
      const right = child + 1;
      if (right < heap.length && isBefore(heap[right] as Entry, heap[child] as Entry))
        child = right;
      if (!isBefore(heap[child] as Entry, entry)) break;
      heap[place] = heap[child] as Entry;
      place = child;
    }
    heap[place] = entry;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);
}
