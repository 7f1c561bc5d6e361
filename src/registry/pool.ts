import type { Clock } from "../core/clock.ts";
import {
  type Histogram,
  LATENCY_BUCKETS_SECONDS,
  type Metrics,
  noMetrics,
} from "../core/metrics.ts";
import type { Waiting } from "../core/ports.ts";
import { connect, disconnect, type Sql } from "./connect.ts";
import { isAway, isLost, RegistryError, toRegistryError } from "./errors.ts";
import type { PoolOptions } from "./options.ts";

/** Where statements are run: what the parts of the registry share. */
export interface Database {
  /**
   * Rejects with a RegistryError of anything that somebody can act on, and with DB_UNREACHABLE also when no answer comes.
   * An abort leaves the statement to its end.
   */
  run<T>(action: (sql: Sql) => PromiseLike<T>, o?: Waiting): Promise<T>;
}

/** Longer than the server lets a statement run: when it is over, the server is not there to say so. */
const ANSWER_MS = 20_000;
const CLOSE_MS = 5_000;

/**
 * The connections to the server. When it is lost they are all given up for new ones: the driver (postgres 3.4.9) can keep a
 * connection that lost its socket half-way through a write and never use it rightly again.
 */
export class Pool implements Database, AsyncDisposable {
  readonly #options: PoolOptions;
  readonly #clock: Clock;
  readonly #statements: Histogram;
  readonly #givenUp = new Set<Promise<void>>();
  #sql: Sql;
  #running = 0;
  #reachable = true;

  constructor(
    options: PoolOptions,
    { clock, metrics = noMetrics }: { readonly clock: Clock; readonly metrics?: Metrics },
  ) {
    this.#options = options;
    this.#clock = clock;
    this.#statements = metrics.histogram({
      name: "ollamamax_db_statements_seconds",
      help: "Statements and transactions on the registry, by how they went.",
      labels: ["outcome"],
      buckets: LATENCY_BUCKETS_SECONDS,
    });
    metrics.gauge({ name: "ollamamax_db_reachable", help: "1 while the registry answers." }, () => [
      [{}, this.#reachable ? 1 : 0],
    ]);
    this.#sql = connect(options);
  }

  /** Whether the server answered when it was last asked. */
  get reachable(): boolean {
    return this.#reachable;
  }

  /** The connections of now; whoever waits between statements asks again. */
  get sql(): Sql {
    return this.#sql;
  }

  async run<T>(action: (sql: Sql) => PromiseLike<T>, o?: Waiting): Promise<T> {
    o?.signal.throwIfAborted();
    const sql = this.#sql;
    const startedMs = this.#clock.nowMs();
    let outcome = "ok";
    this.#running++;
    try {
      const result = await this.#answered(action(sql), o?.signal);
      this.#reachable = true;
      return result;
    } catch (error) {
      if (o?.signal.aborted) {
        outcome = "aborted";
        throw o.signal.reason;
      }
      this.#reachable = !isAway(error);
      outcome = this.#reachable ? "error" : "away";
      if (isLost(error)) this.#giveUp(sql);
      throw toRegistryError(error, this.#options);
    } finally {
      this.#running--;
      this.#statements.observe({ outcome }, (this.#clock.nowMs() - startedMs) / 1_000);
    }
  }

  async #answered<T>(answer: PromiseLike<T>, signal: AbortSignal | undefined): Promise<T> {
    const settled = new AbortController();
    const waiting = signal ? AbortSignal.any([signal, settled.signal]) : settled.signal;
    const silence = this.#clock.sleep(ANSWER_MS, waiting).then(() => {
      const { host, port } = this.#options;
      throw new RegistryError(
        "DB_UNREACHABLE",
        `the database at ${host}:${port} does not answer: look after the server and the network to it`,
      );
    });
    silence.catch(() => {});
    try {
      return await Promise.race([answer, silence]);
    } finally {
      settled.abort();
    }
  }

  #giveUp(lost: Sql): void {
    if (lost !== this.#sql) return;
    this.#sql = connect(this.#options);
    const ended = disconnect(lost).finally(() => this.#givenUp.delete(ended));
    this.#givenUp.add(ended);
  }

  /** Waits a while for statements that somebody waits for. */
  async [Symbol.asyncDispose](): Promise<void> {
    await disconnect(this.#sql, this.#running > 0 ? CLOSE_MS : 0);
    await Promise.all(this.#givenUp);
  }
}
