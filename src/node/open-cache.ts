import type { Readiness } from "../api/deps.ts";
import { TieredCache } from "../cache/tiered-cache.ts";
import type { Metrics } from "../core/metrics.ts";
import { cacheOptions } from "./component-options.ts";
import type { Config } from "./config/config.ts";
import type { NodeDeps } from "./deps.ts";

/** The cache: in the Redis that the user named, or in this process alone. It never holds up or ends a start. */
export function openCache(
  config: Config,
  deps: NodeDeps & { readonly metrics: Metrics },
): TieredCache {
  return TieredCache.open(cacheOptions(config), deps);
}

/** Whatever is cached can be made, so requests are served without it. */
export function cacheReadiness({ redis }: Pick<TieredCache, "redis">): Readiness {
  const ready = redis?.reachable ?? true;
  const reason = ready ? {} : { reason: redis?.problem ?? "Redis was not reached yet" };
  return { name: "cache", ready, optional: true, ...reason };
}
