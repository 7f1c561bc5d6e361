import type { Clock } from "../core/clock.ts";
import type { Cleanup, Fence, Queue } from "../core/jobs.ts";
import type { Logger } from "../core/log.ts";
import type { Counter, Metrics } from "../core/metrics.ts";
import type { Waiting } from "../core/ports.ts";

/** Rejects when what it asks does not answer. */
export type Check = (o: Waiting) => Promise<void>;

export interface MaintenanceDeps {
  readonly cleanups: readonly Cleanup[];
  /** By the name of what is checked; few, and of the code's choice. */
  readonly checks: Readonly<Record<string, Check>>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** At different minutes of the hour, so that they do not meet. */
const SCHEDULES: Readonly<Record<Cleanup["name"], string>> = {
  requests: "7 * * * *",
  audit: "17 * * * *",
  nodes: "27 * * * *",
  replicas: "37 * * * *",
  keys: "47 * * * *",
};
const EVERY_MINUTE = "* * * * *";
/** The rest waits for the next hour: a run ends, however much there is. */
const BATCHES_MAX = 500;
const CLEANUP_MS_MAX = 600_000;
const CHECK_MS_MAX = 10_000;

/** What the leader does now and then for the whole cluster. */
export class Maintenance {
  readonly #deps: MaintenanceDeps;
  readonly #removed: Counter;

  constructor(deps: MaintenanceDeps) {
    this.#deps = deps;
    this.#removed = deps.metrics.counter({
      name: "ollamamax_maintenance_rows_removed_total",
      help: "Rows of the registry that this node removed while it led, as nobody needs them any more.",
      labels: ["job"],
    });
  }

  /** For one term: they carry its token. */
  queues(fence: Fence): readonly Queue[] {
    const { cleanups, checks } = this.#deps;
    return [
      ...cleanups.map((cleanup) => ({
        name: `maintenance.${cleanup.name}`,
        schedule: SCHEDULES[cleanup.name],
        retriesMax: 2,
        durationMsMax: CLEANUP_MS_MAX,
        work: (o: Waiting) => this.#clean(cleanup, fence, o),
      })),
      ...Object.entries(checks).map(([name, check]) => ({
        name: `check.${name}`,
        schedule: EVERY_MINUTE,
        retriesMax: 0,
        durationMsMax: CHECK_MS_MAX,
        work: (o: Waiting) => this.#check(name, check, o),
      })),
    ];
  }

  async #clean({ name, rowsMax, remove }: Cleanup, fence: Fence, o: Waiting): Promise<void> {
    let rows = 0;
    try {
      for (let batch = 1; batch <= BATCHES_MAX; batch++) {
        const removed = await remove(fence, o);
        rows += removed;
        if (removed < rowsMax) break;
      }
    } finally {
      this.#removed.add({ job: name }, rows);
      if (rows > 0) this.#deps.log.info({ job: name, rows }, "rows removed that nobody needs");
    }
  }

  async #check(name: string, check: Check, o: Waiting): Promise<void> {
    const { clock, log } = this.#deps;
    const startedMs = clock.nowMs();
    await check(o);
    log.debug({ check: name, durationMs: Math.round(clock.nowMs() - startedMs) }, "it answers");
  }
}
