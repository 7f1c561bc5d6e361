import {
  type Counter,
  type Histogram,
  LATENCY_BUCKETS_SECONDS,
  type Metrics,
} from "../core/metrics.ts";

/**
 * How a value was found: in this process's memory, in Redis, by another request that was under way for it, or not at all,
 * so that it was made; or making it failed, or nobody waited for it any more.
 */
export type Lookup = "local" | "redis" | "joined" | "miss" | "failed";

export interface CacheMetrics {
  readonly lookups: Counter;
  readonly lookupSeconds: Histogram;
}

export function cacheMetrics(
  metrics: Metrics,
  local: { readonly count: number; readonly sizeBytes: number },
): CacheMetrics {
  metrics.gauge(
    { name: "ollamamax_cache_entries", help: "Values in this process's memory." },
    () => [[{}, local.count]],
  );
  metrics.gauge({ name: "ollamamax_cache_bytes", help: "Size of the values in memory." }, () => [
    [{}, local.sizeBytes],
  ]);
  return {
    lookups: metrics.counter({
      name: "ollamamax_cache_lookups_total",
      help: "Values asked of the cache, by kind and by where they were found.",
      labels: ["kind", "outcome"],
    }),
    lookupSeconds: metrics.histogram({
      name: "ollamamax_cache_lookup_seconds",
      help: "Time until a value was there, its making included.",
      labels: ["outcome"],
      buckets: LATENCY_BUCKETS_SECONDS,
    }),
  };
}

export interface RedisMetrics {
  /** Outcomes: ok, failed. */
  readonly commandSeconds: Histogram;
  readonly skipped: Counter;
}

export function redisMetrics(metrics: Metrics, isUp: () => boolean): RedisMetrics {
  metrics.gauge({ name: "ollamamax_cache_reachable", help: "1 while Redis answers." }, () => [
    [{}, isUp() ? 1 : 0],
  ]);
  return {
    commandSeconds: metrics.histogram({
      name: "ollamamax_cache_command_seconds",
      help: "What Redis was asked, by how it went.",
      labels: ["command", "outcome"],
      buckets: LATENCY_BUCKETS_SECONDS,
    }),
    skipped: metrics.counter({
      name: "ollamamax_cache_skipped_total",
      help: "What Redis was not asked because it was away, sick or overrun.",
      labels: ["command"],
    }),
  };
}
