import { Changes } from "./changes.ts";

interface Slots {
  readonly slots: number;
  readonly running: number;
  /** The configuration that the running requests share. */
  readonly key: string | undefined;
  readonly paused: boolean;
}

/**
 * Whether the first of the waiting may run. A request that wants another configuration waits for an idle runner, and those
 * behind it wait too, or it would wait for ever.
 */
export function mayRun(state: Slots, key: string): boolean {
  if (state.paused || state.running >= state.slots) return false;
  return state.running === 0 || state.key === key;
}

/** A place in the queue, then a slot. `leave` gives up either, at once and once. */
export interface Ticket {
  readonly granted: boolean;
  /** 1 for the next one to run; 0 once granted. */
  readonly position: number;
  readonly changes: Changes;
  leave(): void;
}

/** The slots of one model: first come, first served. */
export class SlotQueue {
  readonly #slots: number;
  readonly #waiting: Place[] = [];
  #running = 0;
  #key: string | undefined;
  #paused = false;
  /** Told when a slot becomes free or the queue is resumed. */
  readonly changes = new Changes();

  constructor(slots: number) {
    this.#slots = slots;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Whether a request would run at once. */
  hasRoom(key: string): boolean {
    return this.#waiting.length === 0 && mayRun(this.#state(), key);
  }

  enter(key: string): Ticket {
    const place = new Place(key, {
      position: (of) => this.#waiting.indexOf(of) + 1,
      leave: (of) => this.#leave(of),
    });
    this.#waiting.push(place);
    this.#advance();
    return place;
  }

  /** Grants nothing more until `resume`. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#advance();
  }

  #leave(place: Place): void {
    if (place.granted) this.#running--;
    else this.#waiting.splice(this.#waiting.indexOf(place), 1);
    this.#advance();
  }

  #advance(): void {
    for (;;) {
      const first = this.#waiting[0];
      if (!first || !mayRun(this.#state(), first.key)) break;
      this.#waiting.shift();
      this.#running++;
      this.#key = first.key;
      first.grant();
    }
    for (const place of this.#waiting) place.changes.notify();
    this.changes.notify();
  }

  #state(): Slots {
    return { slots: this.#slots, running: this.#running, key: this.#key, paused: this.#paused };
  }
}

interface Queue {
  position(place: Place): number;
  leave(place: Place): void;
}

class Place implements Ticket {
  readonly key: string;
  readonly changes = new Changes();
  readonly #queue: Queue;
  #granted = false;
  #left = false;

  constructor(key: string, queue: Queue) {
    this.key = key;
    this.#queue = queue;
  }

  get granted(): boolean {
    return this.#granted;
  }

  get position(): number {
    return this.#queue.position(this);
  }

  grant(): void {
    this.#granted = true;
    this.changes.notify();
  }

  leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#queue.leave(this);
  }
}
