import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { EndedRequest, Recorder } from "../core/history.ts";
import type { Logger } from "../core/log.ts";
import { type Counter, type Metrics, noMetrics } from "../core/metrics.ts";
import type { Random } from "../core/random.ts";
import { backoffMs } from "../core/retry.ts";
import { isRowsFault } from "./errors.ts";
import { insertRequests, promptLength, type RequestRow, requestRow } from "./inference-requests.ts";
import type { Database } from "./pool.ts";
import { promptHash, SLICE_LENGTH } from "./prompt-hash.ts";
import { within } from "./within.ts";

export interface HistoryDeps {
  readonly registry: Database & { ready(): boolean };
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics?: Metrics;
}

/** About 10 MB. */
const ROWS_MAX = 10_000;
const BATCH_ROWS_MAX = 500;
const FLUSH_INTERVAL_MS = 1_000;
const RETRY = { firstMs: 1_000, maxMs: 10_000 };
/** Requests whose prompts wait to be hashed, and the characters of these; beyond them a row goes without its hash. */
const ENDED_MAX = 1_000;
const PROMPTS_LENGTH_MAX = 64 * 1024 * 1024;
const LAST_FLUSH_MS = 3_000;
const NEVER = new AbortController().signal;

type Row = RequestRow & { readonly prompt_hash: string | null };

/**
 * One row for each request that came in at this node, written in batches, off the path of any request. A row that could not be
 * written waits, and is written once: an insert whose answer was lost is sent again with the same ids.
 */
export class History implements Recorder, AsyncDisposable {
  readonly #deps: HistoryDeps;
  readonly #rows: Counter;
  readonly #stopping = new AbortController();
  #nap = new AbortController();
  /** As they came; their prompts are here for a moment only. */
  #ended: EndedRequest[] = [];
  #promptsLength = 0;
  #taking: Promise<void> | undefined;
  #waiting: Row[] = [];
  #failures = 0;
  #loop: Promise<void> = Promise.resolve();

  private constructor(deps: HistoryDeps) {
    this.#deps = deps;
    const { metrics = noMetrics } = deps;
    this.#rows = metrics.counter({
      name: "ollamamax_history_rows_total",
      help: "Requests that ended, by what became of their row: written, dropped for want of room, or refused.",
      labels: ["outcome"],
    });
    metrics.gauge(
      { name: "ollamamax_history_rows_waiting", help: "Rows that are not written yet." },
      () => [[{}, this.#ended.length + this.#waiting.length]],
    );
  }

  static open(deps: HistoryDeps): History {
    const history = new History(deps);
    history.#loop = history.#run();
    return history;
  }

  /** What can be done a turn later is not done here, unless too much waits for that. */
  record(request: EndedRequest): void {
    const length = promptLength(request);
    if (this.#ended.length >= ENDED_MAX || this.#promptsLength + length > PROMPTS_LENGTH_MAX) {
      this.#keep({ ...requestRow(request), prompt_hash: null });
      return;
    }
    this.#ended.push(request);
    this.#promptsLength += length;
    this.#taking ??= nextTurn().then(() => this.#take());
  }

  /** Makes rows of what came. A prompt is hashed a slice at a turn, and let go of. */
  async #take(): Promise<void> {
    let hashedLength = 0;
    for (let request = this.#ended.shift(); request; request = this.#ended.shift()) {
      const prompt_hash = request.prompt.length > 0 ? await promptHash(request.prompt) : null;
      const length = promptLength(request);
      this.#promptsLength -= length;
      this.#keep({ ...requestRow(request), prompt_hash });
      hashedLength += length;
      if (hashedLength < SLICE_LENGTH) continue;
      hashedLength = 0;
      await nextTurn();
    }
    this.#taking = undefined;
    if (this.#waiting.length >= BATCH_ROWS_MAX && this.#failures === 0) this.#nap.abort();
  }

  #keep(row: Row): void {
    this.#waiting.push(row);
    if (this.#waiting.length <= ROWS_MAX) return;
    this.#waiting.shift();
    this.#rows.add({ outcome: "dropped" });
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#deps;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#nap = new AbortController();
      const pauseMs =
        this.#failures === 0 ? FLUSH_INTERVAL_MS : backoffMs(RETRY, this.#failures, random);
      await clock.sleep(pauseMs, AbortSignal.any([signal, this.#nap.signal])).catch(() => {});
      if (!signal.aborted) await this.#flush(signal);
    }
  }

  /** Writes what there is; stops at the first failure, and never throws. */
  async #flush(signal: AbortSignal): Promise<void> {
    if (!this.#deps.registry.ready()) return;
    while (this.#waiting.length > 0 && !signal.aborted) {
      try {
        await this.#write(this.#waiting.slice(0, BATCH_ROWS_MAX), signal);
        if (this.#failures > 0) this.#deps.log.info({}, "history is written again");
        this.#failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        this.#failures++;
        const problem = messageOf(error);
        if (this.#failures === 1) this.#deps.log.warn({ problem }, "history waits");
        return;
      }
    }
  }

  /** A row that the database refuses does not keep the others out. */
  async #write(batch: readonly Row[], signal: AbortSignal): Promise<void> {
    try {
      await this.#deps.registry.run("history_write", (sql) => insertRequests(sql, batch), {
        signal,
      });
      this.#settle(batch, "written");
    } catch (error) {
      if (!isRowsFault(error)) throw error;
      if (batch.length === 1) {
        this.#deps.log.error({ problem: messageOf(error) }, "history refused a row");
        this.#settle(batch, "refused");
        return;
      }
      const middle = Math.ceil(batch.length / 2);
      await this.#write(batch.slice(0, middle), signal);
      await this.#write(batch.slice(middle), signal);
    }
  }

  /** Some may have been dropped for want of room while they were written. */
  #settle(batch: readonly Row[], outcome: "written" | "refused"): void {
    const gone = new Set(batch);
    this.#waiting = this.#waiting.filter((row) => !gone.has(row));
    this.#rows.add({ outcome }, batch.length);
  }

  /** Writes what there is, if the database is there to take it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    await this.#taking;
    const { clock, log } = this.#deps;
    await within(clock, LAST_FLUSH_MS, NEVER, (signal) => this.#flush(signal));
    const rows = this.#waiting.length;
    if (rows > 0) log.warn({ rows }, "history was left unwritten");
  }
}
