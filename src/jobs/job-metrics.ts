import {
  type Counter,
  type Histogram,
  LATENCY_BUCKETS_SECONDS,
  type Metrics,
} from "../core/metrics.ts";

export type JobOutcome = "ok" | "failed" | "interrupted";

export class JobMetrics {
  readonly #runs: Counter;
  readonly #durations: Histogram;
  readonly #running = new Map<string, number>();

  constructor(metrics: Metrics) {
    this.#runs = metrics.counter({
      name: "ollamamax_job_runs_total",
      help: "Jobs that this node did, by how they ended.",
      labels: ["job", "outcome"],
    });
    this.#durations = metrics.histogram({
      name: "ollamamax_job_duration_seconds",
      help: "How long jobs took.",
      labels: ["job"],
      buckets: LATENCY_BUCKETS_SECONDS,
    });
    metrics.gauge(
      { name: "ollamamax_jobs_running", help: "Jobs that this node does now.", labels: ["job"] },
      () => [...this.#running].map(([job, count]) => [{ job }, count] as const),
    );
  }

  /** The job runs until the function is called. */
  start(job: string): (outcome: JobOutcome, durationMs: number) => void {
    this.#running.set(job, (this.#running.get(job) ?? 0) + 1);
    return (outcome, durationMs) => {
      this.#running.set(job, (this.#running.get(job) ?? 1) - 1);
      this.#runs.add({ job, outcome });
      this.#durations.observe({ job }, durationMs / 1_000);
    };
  }
}
