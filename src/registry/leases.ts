import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { Waiting } from "../core/ports.ts";
import { jittered, type Random } from "../core/random.ts";
import type { Sql } from "./connect.ts";
import { isAway } from "./errors.ts";
import type { Database } from "./pool.ts";
import type { StatementName } from "./statements.ts";
import { within } from "./within.ts";

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

export interface LeasesDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** How often a term is renewed, and asked for, in one time to live. */
const TRIES_PER_TTL = 3;
const NEVER = new AbortController().signal;

/**
 * Leases with fencing tokens (Gray and Cheriton 1989; Kleppmann's fencing tokens). The database's clock alone decides
 * when one has run out; the holder gives up earlier by its own monotonic clock when it cannot renew.
 */
export class Leases {
  readonly #database: Database;
  readonly #deps: LeasesDeps;

  constructor(database: Database, deps: LeasesDeps) {
    this.#database = database;
    this.#deps = deps;
  }

  /** Yields one term after another, each from the moment it is won; leaving the iteration gives the lease back. */
  async *hold(name: string, options: LeaseOptions, { signal }: Waiting): AsyncIterable<Term> {
    const { clock, random } = this.#deps;
    while (!signal.aborted) {
      const askedMs = clock.nowMs();
      const token = await this.#ask("lease_acquire", (sql) => acquire(sql, name, options), signal);
      if (token !== undefined) {
        const ending = new AbortController();
        const held = AbortSignal.any([signal, ending.signal]);
        const lost = this.#renewUntilLost({ name, token, ttlMs: options.ttlMs, askedMs }, held);
        const renewing = lost.then(() => ending.abort());
        try {
          yield { token, signal: held };
        } finally {
          ending.abort();
          await renewing;
          // After the time to live nobody waits for a release.
          await within(clock, options.ttlMs, NEVER, (tooLate) =>
            this.#ask("lease_release", (sql) => release(sql, name, token), tooLate),
          );
        }
      }
      const pauseMs = jittered(random, options.ttlMs / TRIES_PER_TTL, 0.2);
      await clock.sleep(pauseMs, signal).catch(() => {});
    }
  }

  /** Resolves when the lease is lost, or has run out by our own clock whether the database answers or not. */
  async #renewUntilLost(
    lease: {
      readonly name: string;
      readonly token: bigint;
      readonly ttlMs: number;
      readonly askedMs: number;
    },
    signal: AbortSignal,
  ): Promise<void> {
    const { clock } = this.#deps;
    const { name, token, ttlMs } = lease;
    let validUntilMs = lease.askedMs + ttlMs;
    while (!signal.aborted && clock.nowMs() < validUntilMs) {
      const pauseMs = Math.min(ttlMs / TRIES_PER_TTL, validUntilMs - clock.nowMs());
      await clock.sleep(pauseMs, signal).catch(() => {});
      const askedMs = clock.nowMs();
      if (signal.aborted || askedMs >= validUntilMs) return;
      const held = await within(clock, validUntilMs - askedMs, signal, (runOut) =>
        this.#ask("lease_renew", (sql) => renew(sql, name, token, ttlMs), runOut),
      );
      if (held === false) return;
      if (held) validUntilMs = askedMs + ttlMs;
    }
  }

  /** Undefined when there was no answer: a lease that cannot be asked for is one that somebody else may hold. */
  async #ask<T>(
    statement: StatementName,
    action: (sql: Sql) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T | undefined> {
    try {
      return await this.#database.run(statement, action, { signal });
    } catch (error) {
      if (!signal.aborted && !isAway(error)) {
        this.#deps.log.error({ problem: messageOf(error) }, "lease could not be asked for");
      }
      return undefined;
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
      holder = excluded.holder, token = leases.token + 1,
      acquired_at = excluded.acquired_at, expires_at = excluded.expires_at
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
