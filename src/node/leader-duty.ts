import type { TieredCache } from "../cache/tiered-cache.ts";
import type { Metrics } from "../core/metrics.ts";
import type { ClusterView } from "../core/ports.ts";
import type { JobMetrics } from "../jobs/job-metrics.ts";
import { type Check, Maintenance } from "../jobs/maintenance.ts";
import { PgBossJobs } from "../jobs/pg-boss-jobs.ts";
import { JobStatements } from "../registry/job-statements.ts";
import type { LeaderDeps } from "../registry/leader.ts";
import type { Registry } from "../registry/registry.ts";
import { cleanups } from "../registry/retention-cleanups.ts";
import { jobsOptions, retentionOptions } from "./component-options.ts";
import type { Config } from "./config/config.ts";
import type { NodeDeps } from "./deps.ts";

/** What the leader does by schedule, for as long as it leads. */
export function leaderDuty(
  config: Config,
  parts: {
    readonly registry: Registry;
    readonly cache: Pick<TieredCache, "redis">;
    readonly view: ClusterView;
  },
  deps: NodeDeps & { readonly metrics: Metrics },
  jobMetrics: JobMetrics,
): NonNullable<LeaderDeps["duty"]> {
  const { registry, cache, view } = parts;
  const store = new JobStatements(registry);
  const jobs = new PgBossJobs(jobsOptions(), { ...deps, store, metrics: jobMetrics });
  const maintenance = new Maintenance({
    ...deps,
    cleanups: cleanups(retentionOptions(config), { registry, view }),
    checks: checksOf(registry, cache),
  });
  return (fence, o) => jobs.serve(maintenance.queues(fence), o);
}

function checksOf(
  registry: Registry,
  { redis }: Pick<TieredCache, "redis">,
): Readonly<Record<string, Check>> {
  const database: Check = () => registry.ping();
  return redis ? { database, cache: (o) => redis.ping(o) } : { database };
}
