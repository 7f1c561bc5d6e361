import { CACHE_COPY_MS_MAX } from "../core/cache.ts";
import type { Waiting } from "../core/ports.ts";
import { FLIGHTS_MAX } from "./options.ts";
import type { Place } from "./place.ts";

/** A value that is being fetched or made, for everybody who asks meanwhile. */
export interface Flight {
  readonly startedMs: number;
  /** Aborts when nobody waits any more. */
  readonly signal: AbortSignal;
  /** A change was told after it began: those who waited by then take it, nobody else. */
  readonly outdated: boolean;
}

/** One flight for each key (the package singleflight of Go's groupcache is the model). */
export class Flights<R> {
  readonly #flights = new Map<string, OwnFlight<R>>();

  /** Boards the key's flight, or the one that `begin` makes. `joined` tells which. */
  async join(
    place: Place,
    nowMs: number,
    begin: (flight: Flight) => Promise<R>,
    { signal }: Waiting,
  ): Promise<{ readonly result: R; readonly joined: boolean }> {
    signal.throwIfAborted();
    const found = this.#flights.get(place.entry);
    // What an older one brings may have been true longer ago than anybody shall be told.
    const joined = found !== undefined && nowMs - found.startedMs <= CACHE_COPY_MS_MAX;
    const flight = joined ? found : OwnFlight.begin(place, nowMs, begin);
    if (!joined) this.#hold(flight);
    try {
      return { result: await flight.board(signal), joined };
    } finally {
      if (flight.isEmpty) this.#letGo(flight);
    }
  }

  outdate(scope: string): void {
    for (const flight of this.#flights.values()) {
      if (flight.place.scope === scope) this.#outdate(flight);
    }
  }

  outdateAll(): void {
    for (const flight of this.#flights.values()) this.#outdate(flight);
  }

  #outdate(flight: OwnFlight<R>): void {
    flight.outdated = true;
    this.#letGo(flight);
  }

  #hold(flight: OwnFlight<R>): void {
    const { entry } = flight.place;
    if (!this.#flights.has(entry) && this.#flights.size >= FLIGHTS_MAX) return;
    this.#flights.set(entry, flight);
    flight.result.then(
      () => this.#letGo(flight),
      () => this.#letGo(flight),
    );
  }

  #letGo(flight: OwnFlight<R>): void {
    const { entry } = flight.place;
    if (this.#flights.get(entry) === flight) this.#flights.delete(entry);
  }
}

class OwnFlight<R> implements Flight {
  readonly place: Place;
  readonly startedMs: number;
  outdated = false;
  readonly #empty = new AbortController();
  readonly #landed = Promise.withResolvers<R>();
  #waiting = 0;

  private constructor(place: Place, startedMs: number) {
    this.place = place;
    this.startedMs = startedMs;
  }

  static begin<R>(
    place: Place,
    startedMs: number,
    begin: (flight: Flight) => Promise<R>,
  ): OwnFlight<R> {
    const flight = new OwnFlight<R>(place, startedMs);
    // Its failure is nobody's when everybody has gone.
    flight.result.catch(() => {});
    flight.#landed.resolve(begin(flight));
    return flight;
  }

  get result(): Promise<R> {
    return this.#landed.promise;
  }

  /** Aborts when nobody waits any more. */
  get signal(): AbortSignal {
    return this.#empty.signal;
  }

  get isEmpty(): boolean {
    return this.#waiting === 0;
  }

  async board(signal: AbortSignal): Promise<R> {
    const left = Promise.withResolvers<never>();
    const onAbort = (): void => left.reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    this.#waiting++;
    try {
      return await Promise.race([this.result, left.promise]);
    } finally {
      signal.removeEventListener("abort", onAbort);
      if (--this.#waiting === 0) this.#empty.abort();
    }
  }
}
