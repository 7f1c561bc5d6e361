import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/log.ts";
import { type Metrics, noMetrics } from "../core/metrics.ts";
import type { Waiting } from "../core/ports.ts";
import type { Random } from "../core/random.ts";
import { backoffMs } from "../core/retry.ts";
import { type RedisMetrics, redisMetrics } from "./cache-metrics.ts";
import { type RedisError, toRedisError } from "./errors.ts";
import { COMMANDS_MAX, type RedisOptions } from "./options.ts";
import { DIAL_TIMEOUT_MS, RedisConnection } from "./redis-connection.ts";

export interface RedisLinkDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics?: Metrics;
  readonly onMessage: (text: string) => void;
  /** Called with each new connection before anything is read from it; a rejection gives it up. */
  readonly onUp: (connection: RedisConnection) => Promise<void>;
}

const REDIAL = { firstMs: 50, maxMs: 1_000 };
const PING_INTERVAL_MS = 1_000;
/** A command that fails says little; this many in a row say that Redis is sick. */
const FAILURES_MAX = 3;

/**
 * After an outage every node first tells the changes that it could not tell. Until all have had the time for it (the longest
 * pause, a dial that hangs, an answer) what Redis holds may be outdated, and nobody reads it.
 */
export const SETTLE_MS = 1.2 * REDIAL.maxMs + DIAL_TIMEOUT_MS + 800;

interface Up {
  readonly connection: RedisConnection;
  readonly sinceMs: number;
  failures: number;
}

/**
 * The way to Redis, and the circuit breaker on it (Nygard, Release It!). Closed: commands go through, each answered within
 * a bound. A connection that is lost, a ping without an answer, an untold change, or FAILURES_MAX failures in a row open it:
 * commands are skipped at once. It is not requests that try whether Redis is back, but the loop that dials it.
 */
export class RedisLink implements AsyncDisposable {
  readonly #options: RedisOptions;
  readonly #deps: RedisLinkDeps;
  readonly #metrics: RedisMetrics;
  readonly #closing = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #up: Up | undefined;
  #problem: RedisError | undefined;
  #waiting = 0;

  private constructor(options: RedisOptions, deps: RedisLinkDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#metrics = redisMetrics(deps.metrics ?? noMetrics, () => this.reachable);
  }

  /** Dials, and goes on dialling, until disposed. */
  static open(options: RedisOptions, deps: RedisLinkDeps): RedisLink {
    const link = new RedisLink(options, deps);
    link.#running = link.#run(link.#closing.signal);
    return link;
  }

  get reachable(): boolean {
    return this.#up !== undefined;
  }

  /** Why it is not reachable: one sentence; unset while it is, or was not dialled yet. */
  get problem(): string | undefined {
    return this.#up ? undefined : this.#problem?.message;
  }

  /** Rejects with a RedisError unless Redis answers. */
  async ping({ signal }: Waiting): Promise<void> {
    signal.throwIfAborted();
    if (this.#up) return await this.#up.connection.ping();
    throw this.#problem ?? toRedisError(new Error("it was not reached yet"), this.#options);
  }

  /** Undefined when Redis is to be skipped or fails: the caller goes on without it. */
  async ask<T>(
    command: string,
    action: (connection: RedisConnection) => Promise<T>,
  ): Promise<T | undefined> {
    const up = this.#up;
    const isSettled = up && this.#deps.clock.nowMs() - up.sinceMs >= SETTLE_MS;
    if (!isSettled || this.#waiting >= COMMANDS_MAX) {
      this.#metrics.skipped.add({ command });
      return undefined;
    }
    try {
      return await this.#measured(command, up, action);
    } catch (error) {
      if (++up.failures >= FAILURES_MAX) up.connection.fail(error);
      return undefined;
    }
  }

  /** For what must arrive: false when it may not have, and then the connection is given up for a new one. */
  async tell(
    command: string,
    action: (connection: RedisConnection) => Promise<void>,
  ): Promise<boolean> {
    const up = this.#up;
    if (!up) {
      this.#metrics.skipped.add({ command });
      return false;
    }
    try {
      await this.#measured(command, up, action);
      return true;
    } catch (error) {
      up.connection.fail(error);
      return false;
    }
  }

  async #measured<T>(
    command: string,
    up: Up,
    action: (connection: RedisConnection) => Promise<T>,
  ): Promise<T> {
    const startedMs = this.#deps.clock.nowMs();
    let outcome = "failed";
    this.#waiting++;
    try {
      const result = await up.connection.answer(action(up.connection));
      up.failures = 0;
      outcome = "ok";
      return result;
    } finally {
      this.#waiting--;
      const seconds = (this.#deps.clock.nowMs() - startedMs) / 1_000;
      this.#metrics.commandSeconds.observe({ command, outcome }, seconds);
    }
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#deps;
    let attempt = 1;
    while (!signal.aborted) {
      const startedMs = clock.nowMs();
      try {
        await this.#connectAndHold(signal);
      } catch (error) {
        this.#tellProblem(error, signal);
      }
      // One that held for a while was well: the next is dialled soon.
      attempt = clock.nowMs() - startedMs >= SETTLE_MS ? 1 : attempt + 1;
      await clock.sleep(backoffMs(REDIAL, attempt, random), signal).catch(() => {});
    }
  }

  /** Ends with what ended the connection. */
  async #connectAndHold(signal: AbortSignal): Promise<never> {
    const { clock, log, onUp } = this.#deps;
    await using connection = await RedisConnection.open(this.#options, this.#deps, { signal });
    const up = { connection, sinceMs: clock.nowMs(), failures: 0 };
    this.#up = up;
    try {
      await connection.answer(onUp(connection));
      if (this.#problem) log.info({}, "cache is back");
      this.#problem = undefined;
      for (;;) {
        await clock.sleep(PING_INTERVAL_MS, AbortSignal.any([signal, connection.lost]));
        await connection.ping();
      }
    } finally {
      this.#up = undefined;
    }
  }

  #tellProblem(error: unknown, signal: AbortSignal): void {
    if (signal.aborted) return;
    const problem = toRedisError(error, this.#options);
    if (problem.code !== this.#problem?.code) {
      this.#deps.log.warn({ problem: problem.message }, "cache is away; going on without it");
    }
    this.#problem = problem;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }
}
