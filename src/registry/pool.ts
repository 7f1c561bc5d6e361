import type { Clock } from "../core/clock.ts";
import { type Logger, silentLog } from "../core/log.ts";
import {
  type Histogram,
  LATENCY_BUCKETS_SECONDS,
  type Metrics,
  noMetrics,
} from "../core/metrics.ts";
import type { Waiting } from "../core/ports.ts";
import { type Random, systemRandom } from "../core/random.ts";
import { backoffMs } from "../core/retry.ts";
import { connect, disconnect, openConnections, type Sql } from "./connect.ts";
import {
  isAway,
  isLost,
  isReadOnly,
  isWorthAnotherTry,
  RegistryError,
  toRegistryError,
} from "./errors.ts";
import type { PoolOptions } from "./options.ts";
import type { StatementName } from "./statements.ts";

/** Where statements are run: what the parts of the registry share. */
export interface Database {
  /**
   * Rejects with a RegistryError of anything that somebody can act on, and with DB_UNREACHABLE also when no answer comes.
   * An abort leaves the statement to its end. The action is called again when the server undid what it did, for another
   * transaction's sake: so it is one statement, one transaction, or may be repeated.
   */
  run<T>(statement: StatementName, action: (sql: Sql) => PromiseLike<T>, o?: Waiting): Promise<T>;
}

export interface PoolDeps {
  readonly clock: Clock;
  readonly random?: Random;
  readonly log?: Logger;
  readonly metrics?: Metrics;
}

/** Longer than the server lets a statement run: when it is over, the server is not there to say so. */
const ANSWER_MS = 20_000;
const CLOSE_MS = 5_000;
const SLOW_STATEMENT_MS = 1_000;
/** Between one loss of the server and the next dialling; then a statement fails again as soon as the server refuses it. */
const REDIAL = { firstMs: 50, maxMs: 1_000 };
const AGAIN = { firstMs: 20, maxMs: 500, triesMax: 4 };
const NEVER = new AbortController().signal;

/**
 * The connections to the server. When it is lost they are all given up for new ones: the driver (postgres 3.4.9) can keep a
 * connection that lost its socket half-way through a write and never use it rightly again.
 */
export class Pool implements Database, AsyncDisposable {
  readonly #options: PoolOptions;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Logger;
  readonly #statements: Histogram;
  readonly #givenUp = new Set<Promise<void>>();
  #sql: Sql;
  #running = 0;
  #reachable = true;
  #losses = 0;
  #redialAtMs = 0;

  constructor(options: PoolOptions, deps: PoolDeps) {
    const { clock, random = systemRandom, log = silentLog, metrics = noMetrics } = deps;
    this.#options = options;
    this.#clock = clock;
    this.#random = random;
    this.#log = log;
    this.#statements = metrics.histogram({
      name: "ollamamax_db_statements_seconds",
      help: "Statements and transactions on the registry, with the wait for a connection, by how they went.",
      labels: ["statement", "outcome"],
      buckets: LATENCY_BUCKETS_SECONDS,
    });
    this.#countConnections(metrics);
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

  async run<T>(
    statement: StatementName,
    action: (sql: Sql) => PromiseLike<T>,
    o?: Waiting,
  ): Promise<T> {
    const signal = o?.signal ?? NEVER;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#once(statement, action, signal);
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        if (attempt === AGAIN.triesMax || !isWorthAnotherTry(error)) {
          throw toRegistryError(error, this.#options);
        }
        await this.#clock.sleep(backoffMs(AGAIN, attempt, this.#random), signal);
      }
    }
  }

  async #once<T>(
    statement: StatementName,
    action: (sql: Sql) => PromiseLike<T>,
    signal: AbortSignal,
  ): Promise<T> {
    signal.throwIfAborted();
    const startedMs = this.#clock.nowMs();
    if (startedMs < this.#redialAtMs) {
      await this.#clock.sleep(this.#redialAtMs - startedMs, signal);
    }
    const sql = this.#sql;
    let outcome = "ok";
    this.#running++;
    try {
      const result = await this.#answered(action(sql), signal);
      this.#reachable = true;
      this.#losses = 0;
      return result;
    } catch (error) {
      outcome = signal.aborted ? "aborted" : this.#judge(error, sql);
      throw error;
    } finally {
      this.#running--;
      this.#measure(statement, outcome, this.#clock.nowMs() - startedMs);
    }
  }

  /** What an error says about the server and its connections. */
  #judge(error: unknown, sql: Sql): string {
    this.#reachable = !isAway(error);
    if (isLost(error)) this.#giveUp(sql, 0);
    if (isReadOnly(error)) this.#giveUp(sql, CLOSE_MS);
    if (!this.#reachable) return "away";
    return isWorthAnotherTry(error) ? "undone" : "error";
  }

  async #answered<T>(answer: PromiseLike<T>, signal: AbortSignal): Promise<T> {
    const settled = new AbortController();
    const waiting = AbortSignal.any([signal, settled.signal]);
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

  /** The name says which statement it was; what it held is nobody's to read in a log. */
  #measure(statement: StatementName, outcome: string, durationMs: number): void {
    this.#statements.observe({ statement, outcome }, durationMs / 1_000);
    if (durationMs < (this.#options.slowStatementMs ?? SLOW_STATEMENT_MS)) return;
    this.#log.warn({ statement, outcome, durationMs: Math.round(durationMs) }, "slow query");
  }

  #countConnections(metrics: Metrics): void {
    metrics.gauge({ name: "ollamamax_db_reachable", help: "1 while the registry answers." }, () => [
      [{}, this.#reachable ? 1 : 0],
    ]);
    metrics.gauge(
      {
        name: "ollamamax_db_connections",
        help: "Connections to the registry that stand.",
        labels: ["state"],
      },
      () => {
        const open = openConnections(this.#sql);
        // The driver does not tell who uses which; each of ours uses one while it runs, and those beyond wait.
        const inUse = Math.min(open, this.#running);
        return [
          [{ state: "in_use" }, inUse],
          [{ state: "idle" }, open - inUse],
        ];
      },
    );
    metrics.gauge(
      { name: "ollamamax_db_connections_max", help: "Connections that this node opens at most." },
      () => [[{}, this.#options.connectionsMax]],
    );
    metrics.gauge(
      { name: "ollamamax_db_statements_waiting", help: "Statements beyond the connections." },
      () => [[{}, Math.max(0, this.#running - this.#options.connectionsMax)]],
    );
  }

  #giveUp(old: Sql, graceMs: number): void {
    if (old !== this.#sql) return;
    this.#losses++;
    this.#redialAtMs = this.#clock.nowMs() + backoffMs(REDIAL, this.#losses, this.#random);
    this.#sql = connect(this.#options);
    const ended = disconnect(old, graceMs).finally(() => this.#givenUp.delete(ended));
    this.#givenUp.add(ended);
  }

  /** Waits a while for statements that somebody waits for. */
  async [Symbol.asyncDispose](): Promise<void> {
    await disconnect(this.#sql, this.#running > 0 ? CLOSE_MS : 0);
    await Promise.all(this.#givenUp);
  }
}
