import type { Clock } from "../core/clock.ts";
import type { Waiting } from "../core/ports.ts";
import { jittered, type Random } from "../core/random.ts";
import type { Sql } from "./connect.ts";
import { isAway } from "./errors.ts";

/** One term of holding a lease. */
export interface Term {
  /** Larger than every token before it; statements carry it, so that a holder of an older one changes nothing. */
  readonly token: bigint;
  /** Aborts when the lease is lost, or may be lost because it could not be renewed in time. */
  readonly signal: AbortSignal;
}

export interface LeaseOptions {
  /** Who holds it, for people. */
  readonly holder: string;
  readonly ttlMs: number;
}

/** How often a term is renewed, and asked for, in one time to live. */
const TRIES_PER_TTL = 3;

/**
 * Leases with fencing tokens (Gray and Cheriton 1989; Kleppmann's fencing tokens). The database's clock alone decides
 * when one has run out; the holder gives up earlier by its own monotonic clock when it cannot renew.
 */
export class Leases {
  readonly #sql: Sql;
  readonly #deps: { readonly clock: Clock; readonly random: Random };

  constructor(sql: Sql, deps: { readonly clock: Clock; readonly random: Random }) {
    this.#sql = sql;
    this.#deps = deps;
  }

  /** Yields one term after another, each from the moment it is won; leaving the iteration gives the lease back. */
  async *hold(name: string, options: LeaseOptions, { signal }: Waiting): AsyncIterable<Term> {
    const { clock, random } = this.#deps;
    while (!signal.aborted) {
      const askedMs = clock.nowMs();
      const token = await quietly(() => acquire(this.#sql, name, options));
      if (token !== undefined) {
        const lost = new AbortController();
        const termSignal = AbortSignal.any([signal, lost.signal]);
        const renewing = this.#renew(name, token, options, askedMs, lost, termSignal);
        try {
          yield { token, signal: termSignal };
        } finally {
          lost.abort();
          await renewing;
          await quietly(() => release(this.#sql, name, token));
        }
      }
      const pauseMs = jittered(random, options.ttlMs / TRIES_PER_TTL, 0.2);
      await clock.sleep(pauseMs, signal).catch(() => {});
    }
  }

  async #renew(
    name: string,
    token: bigint,
    options: LeaseOptions,
    acquiredMs: number,
    lost: AbortController,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock } = this.#deps;
    let renewedMs = acquiredMs;
    while (!signal.aborted) {
      await clock.sleep(options.ttlMs / TRIES_PER_TTL, signal).catch(() => {});
      if (signal.aborted) return;
      const askedMs = clock.nowMs();
      const held = await quietly(() => renew(this.#sql, name, token, options.ttlMs));
      if (held) renewedMs = askedMs;
      if (held === false || clock.nowMs() - renewedMs > options.ttlMs) lost.abort();
    }
  }
}

/** The token when the lease was free or had run out; undefined when somebody holds it. */
export async function acquire(
  sql: Sql,
  name: string,
  options: LeaseOptions,
): Promise<bigint | undefined> {
  const [row] = await sql<{ token: bigint }[]>`
    insert into leases (name, holder, token, expires_at)
    values (${name}, ${options.holder}, 1, clock_timestamp() + ${options.ttlMs} * interval '1 ms')
    on conflict (name) do update set
      holder = excluded.holder, token = leases.token + 1, expires_at = excluded.expires_at
    where leases.expires_at <= clock_timestamp()
    returning token`;
  return row?.token;
}

/** False when the lease is no longer this token's. */
export async function renew(
  sql: Sql,
  name: string,
  token: bigint,
  ttlMs: number,
): Promise<boolean> {
  const rows = await sql`
    update leases set expires_at = clock_timestamp() + ${ttlMs} * interval '1 ms'
    where name = ${name} and token = ${token} and expires_at > clock_timestamp()
    returning 1`;
  return rows.length === 1;
}

/** Lets the next one have it at once. */
export async function release(sql: Sql, name: string, token: bigint): Promise<void> {
  await sql`
    update leases set expires_at = clock_timestamp() where name = ${name} and token = ${token}`;
}

/** Undefined while the database is away: a lease that cannot be asked for is one that somebody else may hold. */
async function quietly<T>(action: () => Promise<T>): Promise<T | undefined> {
  try {
    return await action();
  } catch (error) {
    if (isAway(error)) return undefined;
    throw error;
  }
}
