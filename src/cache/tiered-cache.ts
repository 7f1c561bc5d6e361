import {
  CACHE_COPY_MS_MAX,
  CACHE_TTL_MAX_MS,
  type Cache,
  type CacheKey,
  type CacheKind,
} from "../core/cache.ts";
import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/log.ts";
import { type Metrics, noMetrics } from "../core/metrics.ts";
import type { Waiting } from "../core/ports.ts";
import { jittered, type Random } from "../core/random.ts";
import { type CacheMetrics, cacheMetrics, type Lookup } from "./cache-metrics.ts";
import { entryText, valueIn } from "./entry.ts";
import { type Flight, Flights } from "./flights.ts";
import { LocalEntries } from "./local-entries.ts";
import { type CacheOptions, VALUE_BYTES_MAX } from "./options.ts";
import { type Place, placeOf, scopeOf } from "./place.ts";
import { RedisEntries } from "./redis-entries.ts";
import type { RedisLink } from "./redis-link.ts";

export interface CacheDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics?: Metrics;
}

const TTL_JITTER = 0.1;

interface Kept {
  readonly text: string;
  readonly token: string;
  readonly lookup: Lookup;
}

/**
 * Values in this process's memory and, where one is given, in a Redis that all nodes share. A copy in memory is short-lived
 * in any case, counted from before its value was read: a message about a change only makes it shorter. So a message that is
 * lost, late or impossible costs nothing but a second.
 */
export class TieredCache implements Cache, AsyncDisposable {
  readonly #deps: CacheDeps;
  readonly #metrics: CacheMetrics;
  readonly #local = new LocalEntries();
  readonly #flights = new Flights<Kept>();
  #redis: RedisEntries | undefined;

  private constructor(deps: CacheDeps) {
    this.#deps = deps;
    this.#metrics = cacheMetrics(deps.metrics ?? noMetrics, this.#local);
  }

  /** Does not wait for Redis: until it is reached, values are kept in memory. */
  static open({ redis }: CacheOptions, deps: CacheDeps): TieredCache {
    const cache = new TieredCache(deps);
    const onChange = (scope: string): void => cache.#outdateHere(scope);
    if (redis) cache.#redis = RedisEntries.open(redis, { ...deps, onChange });
    return cache;
  }

  /** The way to Redis; undefined when none is configured. */
  get redis(): Pick<RedisLink, "reachable" | "problem" | "ping"> | undefined {
    return this.#redis?.link;
  }

  async wrap<T>(
    kind: CacheKind<T>,
    key: CacheKey,
    make: (o: Waiting) => Promise<T>,
    o: Waiting,
  ): Promise<T> {
    o.signal.throwIfAborted();
    const startedMs = this.#deps.clock.nowMs();
    const place = placeOf(kind, key);
    let lookup: Lookup = "failed";
    try {
      const copy = this.#local.get(place, startedMs);
      const copied = copy && valueIn(kind, copy.token, copy.text);
      if (copied !== undefined) {
        lookup = "local";
        return copied;
      }
      const begin = (flight: Flight): Promise<Kept> => this.#fly(kind, place, make, flight);
      const { result, joined } = await this.#flights.join(place, startedMs, begin, o);
      const value = valueIn(kind, result.token, result.text);
      if (value === undefined)
        throw new TypeError(`a value of ${kind.name} does not pass its own parse`);
      lookup = joined ? "joined" : result.lookup;
      return value;
    } finally {
      this.#metrics.lookups.add({ kind: kind.name, outcome: lookup });
      const seconds = (this.#deps.clock.nowMs() - startedMs) / 1_000;
      this.#metrics.lookupSeconds.observe({ outcome: lookup }, seconds);
    }
  }

  async invalidate(kind: Pick<CacheKind<unknown>, "name">, scope: string): Promise<void> {
    const changed = scopeOf(kind, scope);
    this.#outdateHere(changed);
    await this.#redis?.outdate(changed);
  }

  async #fly<T>(
    kind: CacheKind<T>,
    place: Place,
    make: (o: Waiting) => Promise<T>,
    flight: Flight,
  ): Promise<Kept> {
    const reading = await this.#redis?.read(place);
    const token = reading?.token ?? "";
    if (reading?.text !== undefined && valueIn(kind, token, reading.text) !== undefined) {
      const kept: Kept = { token, text: reading.text, lookup: "redis" };
      this.#keepHere(kind, place, kept, flight);
      return kept;
    }
    const value = await make({ signal: flight.signal });
    const kept: Kept = { token, text: entryText(kind.version, token, value), lookup: "miss" };
    if (Buffer.byteLength(kept.text) <= VALUE_BYTES_MAX) {
      this.#keepHere(kind, place, kept, flight);
      if (token !== "") this.#redis?.keep(place, kept.text, this.#ttlMs(kind));
    }
    return kept;
  }

  #keepHere(kind: CacheKind<unknown>, place: Place, { text, token }: Kept, flight: Flight): void {
    if (flight.outdated) return;
    const ttlMs = Math.min(this.#ttlMs(kind), CACHE_COPY_MS_MAX);
    this.#local.set(place, { text, token, expiresMs: flight.startedMs + ttlMs });
  }

  #ttlMs({ ttlMs }: CacheKind<unknown>): number {
    return Math.min(jittered(this.#deps.random, ttlMs, TTL_JITTER), CACHE_TTL_MAX_MS);
  }

  /** `everything` is no scope: those have a colon. */
  #outdateHere(scope: string | "everything"): void {
    if (scope === "everything") {
      this.#local.clear();
      this.#flights.outdateAll();
    } else {
      this.#local.drop(scope);
      this.#flights.outdate(scope);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#redis?.[Symbol.asyncDispose]();
  }
}
