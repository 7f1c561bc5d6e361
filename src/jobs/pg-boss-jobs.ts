import { PgBoss } from "pg-boss";
import type { Clock } from "../core/clock.ts";
import { AppError, messageOf } from "../core/errors.ts";
import type { JobStore, Jobs, Queue } from "../core/jobs.ts";
import type { Logger } from "../core/log.ts";
import type { Waiting } from "../core/ports.ts";
import type { Random } from "../core/random.ts";
import { retry } from "../core/retry.ts";
import type { JobMetrics } from "./job-metrics.ts";

export interface PgBossJobsOptions {
  /** How often each queue is asked for a job, and the schedules for what is due. */
  readonly pollMs: number;
}

export interface PgBossJobsDeps {
  readonly store: JobStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** One for all that do jobs. */
  readonly metrics: JobMetrics;
}

/** As 0005_jobs.sql names it. */
export const SCHEMA = "jobs";
/** Statements that are under way at the end may take this long; a job that is cut off is done again. */
const STOP_MS = 5_000;
const AGAIN = { firstMs: 1_000, maxMs: 30_000 };
const RETRY_DELAY_SECONDS = 30;
/** People may look this long at jobs that are done. */
const KEPT_SECONDS = 86_400;
const HOUR_SECONDS = 3_600;
/** pg-boss's limit: what came due longer ago than a minute it leaves out. */
const SCHEDULE_POLL_MS_MAX = 30_000;

/**
 * Jobs by pg-boss, which keeps its loops for as long as somebody serves. Its errors are told, and never end the process; its
 * tables come with the registry's migrations.
 */
export class PgBossJobs implements Jobs {
  readonly #options: PgBossJobsOptions;
  readonly #deps: PgBossJobsDeps;
  readonly #metrics: JobMetrics;

  constructor(options: PgBossJobsOptions, deps: PgBossJobsDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#metrics = deps.metrics;
  }

  async serve(queues: readonly Queue[], { signal }: Waiting): Promise<void> {
    const onFailure = (error: unknown): void => this.#report(error, "jobs are not served yet");
    try {
      await retry(() => this.#serve(queues, signal), AGAIN, { ...this.#deps, signal, onFailure });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #serve(queues: readonly Queue[], signal: AbortSignal): Promise<void> {
    const { store, clock } = this.#deps;
    const late = new AbortController();
    const stopped = new AbortController();
    const alarm = aborted(AbortSignal.any([signal, stopped.signal]))
      .then(() => clock.sleep(STOP_MS, stopped.signal))
      .then(
        () => late.abort(),
        () => {},
      );
    const running = new Set<Promise<unknown>>();
    const tracked = <T>(promise: Promise<T>): Promise<T> => {
      running.add(promise);
      const done = (): void => void running.delete(promise);
      promise.then(done, done);
      return promise;
    };
    const boss = this.#boss((text, values = []) => tracked(store.execute(text, values, late)));
    try {
      await boss.start();
      await this.#declare(boss, queues);
      for (const queue of queues) {
        const options = { pollingIntervalSeconds: this.#options.pollMs / 1_000 };
        await boss.work(queue.name, options, async ([job]) => {
          if (job) await tracked(this.#run(queue, AbortSignal.any([signal, job.signal])));
        });
      }
      await aborted(signal);
    } finally {
      await boss
        .stop({ close: false, timeout: STOP_MS })
        .catch((error: unknown) => this.#report(error, "jobs did not stop in order"));
      await Promise.allSettled(running);
      stopped.abort();
      await alarm;
    }
  }

  #boss(
    executeSql: (
      text: string,
      values?: unknown[],
    ) => Promise<{ readonly rows: Record<string, unknown>[] }>,
  ): PgBoss {
    const scheduleSeconds = Math.min(this.#options.pollMs, SCHEDULE_POLL_MS_MAX) / 1_000;
    const boss = new PgBoss({
      db: { executeSql },
      schema: SCHEMA,
      migrate: false,
      createSchema: false,
      // Each of these is a write or a scan that only people who watch pg-boss itself would miss.
      ...{ registerInstance: false, reindex: false, monitorVacuum: false },
      openTelemetry: { enabled: false },
      cronMonitorIntervalSeconds: Math.max(1, scheduleSeconds),
      cronWorkerIntervalSeconds: Math.max(1, scheduleSeconds),
      maintenanceIntervalSeconds: HOUR_SECONDS,
      // Jobs that wait for other jobs, which there are none of.
      flowIntervalSeconds: HOUR_SECONDS,
    });
    boss.on("error", (error) => this.#report(error, "jobs' database refused"));
    boss.on("warning", ({ message }) => this.#deps.log.warn({ problem: message }, "jobs warn"));
    return boss;
  }

  /** Whoever serves schedules is the only one that does: what an earlier version scheduled goes. */
  async #declare(boss: PgBoss, queues: readonly Queue[]): Promise<void> {
    for (const { name, schedule, retriesMax, durationMsMax } of queues) {
      const options = {
        retryLimit: retriesMax,
        retryDelay: RETRY_DELAY_SECONDS,
        retryBackoff: true,
        expireInSeconds: Math.ceil(durationMsMax / 1_000),
        retentionSeconds: KEPT_SECONDS,
        deleteAfterSeconds: KEPT_SECONDS,
      };
      await boss.createQueue(name, { policy: "exclusive", ...options });
      await boss.updateQueue(name, options);
      await boss.schedule(name, schedule, null, { tz: "UTC" });
    }
    const known = new Set(queues.map(({ name }) => name));
    for (const { name } of await boss.getSchedules()) {
      if (!known.has(name)) await boss.unschedule(name);
    }
  }

  async #run(queue: Queue, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#deps;
    const startedMs = clock.nowMs();
    const done = this.#metrics.start(queue.name);
    try {
      await queue.work({ signal });
      done("ok", clock.nowMs() - startedMs);
    } catch (error) {
      done(signal.aborted ? "interrupted" : "failed", clock.nowMs() - startedMs);
      const problem = messageOf(error);
      if (!signal.aborted) log.warn({ job: queue.name, problem }, "job failed");
      // What is kept with the job is for people, and no cause or stack is.
      throw new Error(problem);
    }
  }

  /** A database that is away is told of where it is asked for. */
  #report(error: unknown, text: string): void {
    const away = codeOf(error) === "DB_UNREACHABLE" || codeOf(error) === "ABORT_ERR";
    this.#deps.log[away ? "debug" : "error"]({ problem: problemOf(error) }, text);
  }
}

/** Of a worker's error pg-boss emits a copy, with its fields. */
export function codeOf(error: unknown): unknown {
  if (error instanceof AppError) return error.code;
  if (error instanceof DOMException) return error.name === "AbortError" ? "ABORT_ERR" : "";
  return typeof error === "object" && error !== null && "code" in error ? error.code : "";
}

export function problemOf(error: unknown): string {
  const hasMessage = typeof error === "object" && error !== null && "message" in error;
  return hasMessage ? String(error.message) : messageOf(error);
}

export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
