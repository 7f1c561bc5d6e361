import { z } from "zod";
import type { Cache, CacheKind } from "../core/cache.ts";
import type { Catalog, CatalogModel, ModelFilter, Page, PageRequest } from "../core/catalog.ts";
import type { Waiting } from "../core/ports.ts";

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
