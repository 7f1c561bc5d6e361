import type { Waiting } from "./ports.ts";

/** What is kept of one kind of values, and how long. */
export interface CacheKind<T> {
  /** Of the code's choice, never a client's: it stands in keys and is a metric's label. */
  readonly name: string;
  /** Raised with each change of the values' shape; what is kept under another version counts as missing. */
  readonly version: number;
  /** Give or take a tenth by chance; at most CACHE_TTL_MAX_MS. */
  readonly ttlMs: number;
  /** Of JSON that some node kept; undefined of what is no such value, which then counts as missing. */
  readonly parse: (json: unknown) => T | undefined;
}

export const CACHE_TTL_MAX_MS = 3_600_000;

/** No node gives a value out of its own memory for longer than this after it was true, whatever it hears of changes. */
export const CACHE_COPY_MS_MAX = 1_000;

/** Both may hold what a client chose: keys are made of their digests. */
export interface CacheKey {
  /** What a change outdates together, such as one user's id; "" where a kind has no parts. */
  readonly scope: string;
  /** What is asked for within it, such as a page's filters. */
  readonly id: string;
}

/** Values that can be made again: without it everything goes on, slower. Owner: cache. */
export interface Cache {
  /**
   * The value that is kept under the key, or else what `make` gives, as it comes out of JSON. Whoever asks for a key while
   * it is made waits for the same `make`, whose signal aborts when all of them have gone. Its failure is theirs, and is not
   * kept. What the cache itself meets is nobody's failure: the value is then made.
   */
  wrap<T>(
    kind: CacheKind<T>,
    key: CacheKey,
    make: (o: Waiting) => Promise<T>,
    o: Waiting,
  ): Promise<T>;
  /**
   * To be called once a change is committed: what was made before is given to nobody who asks later, here at once and on
   * the other nodes within CACHE_COPY_MS_MAX. It never rejects and takes no signal: a change that happened is told, whether
   * or not somebody still waits for it.
   */
  invalidate(kind: Pick<CacheKind<unknown>, "name">, scope: string): Promise<void>;
}
