import { z } from "zod";
import { TieredCache } from "../cache/tiered-cache.ts";
import type { Cache, CacheKind } from "../core/cache.ts";
import type { Catalog, CatalogModel, ModelFilter, Page, PageRequest } from "../core/catalog.ts";
import { systemClock } from "../core/clock.ts";
import { silentLog } from "../core/log.ts";
import type { Waiting } from "../core/ports.ts";
import { systemRandom } from "../core/random.ts";
import { cacheOptions } from "./component-options.ts";
import type { Config } from "./config/config.ts";

const nullable = z.string().nullable();
const model = z.object({
  name: z.string(),
  version: z.string(),
  sizeBytes: z.number(),
  digest: z.string(),
  contentType: z.string(),
  description: nullable,
  tags: z.unknown(),
  details: z.unknown(),
  capabilities: z.unknown(),
  status: z.string(),
  replicasWanted: z.number().nullable(),
  createdBy: nullable,
  createdAt: nullable,
  updatedAt: nullable,
  accessedAt: nullable,
});
const page = z.object({ items: z.array(model), next: z.string().optional() });

const MODEL_PAGES: CacheKind<Page<CatalogModel>> = {
  name: "models",
  version: 1,
  ttlMs: 60_000,
  parse: (json) => {
    const { data } = page.safeParse(json);
    return data && { ...data, next: data.next };
  },
};

/** One scope: any model may stand on any page. */
const ALL = "";

/** The lists of the registry; those of the models, which rarely change, out of the cache. */
export function cachedCatalog(catalog: Catalog, cache: Cache): Catalog {
  return {
    models: (filter: ModelFilter, request: PageRequest, o: Waiting) => {
      const id = JSON.stringify([filter.name, filter.search, filter.tags, filter.status, request]);
      const make = (o: Waiting) => catalog.models(filter, request, o);
      return cache.wrap(MODEL_PAGES, { scope: ALL, id }, make, o);
    },
    nodes: (filter, request, o) => catalog.nodes(filter, request, o),
    replicas: (filter, request, o) => catalog.replicas(filter, request, o),
    requests: (filter, request, o) => catalog.requests(filter, request, o),
    audit: (filter, request, o) => catalog.audit(filter, request, o),
  };
}

/** To be called once a change of the registry's models is committed. */
export function modelsChanged(cache: Cache): Promise<void> {
  return cache.invalidate(MODEL_PAGES, ALL);
}

const REACH_MS = 5_000;
const REACH_POLL_MS = 20;

/**
 * The same from a command, which is no node: the nodes' Redis is told. False when it cannot be reached, and the nodes may
 * show what was for as long as a page is kept.
 */
export async function tellModelsChanged(config: Config): Promise<boolean> {
  const options = cacheOptions(config);
  // Without Redis each node keeps pages for itself, and for a second only.
  if (!options.redis) return true;
  const deps = { clock: systemClock, random: systemRandom, log: silentLog };
  await using cache = TieredCache.open(options, deps);
  const signal = AbortSignal.timeout(REACH_MS);
  try {
    while (!cache.redis?.reachable) await systemClock.sleep(REACH_POLL_MS, signal);
  } catch {
    return false;
  }
  await modelsChanged(cache);
  return cache.redis.reachable;
}
