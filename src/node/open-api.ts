import { Api } from "../api/api.ts";
import type { ApiDeps, Readiness } from "../api/deps.ts";
import type { ModelStore } from "../blobs/model-store.ts";
import type { TieredCache } from "../cache/tiered-cache.ts";
import type { Metrics } from "../core/metrics.ts";
import type { Mesh } from "../mesh/mesh.ts";
import type { History } from "../registry/history.ts";
import { RegistryPlacement } from "../registry/placement.ts";
import type { Registry } from "../registry/registry.ts";
import { RegistryCatalog } from "../registry/registry-catalog.ts";
import { cachedCatalog } from "./cached-catalog.ts";
import { apiOptions } from "./component-options.ts";
import type { Config } from "./config/config.ts";
import type { NodeDeps } from "./deps.ts";
import { cacheReadiness } from "./open-cache.ts";
import { keysReadiness, openKeys } from "./open-keys.ts";

type Managed = Pick<
  ApiDeps,
  "management" | "files" | "drains" | "transfers" | "inference" | "engine"
>;

/** Who may call, and what they call. */
export async function openApi(
  config: Config,
  parts: Managed & {
    readonly registry: Registry;
    readonly cache: TieredCache;
    readonly mesh: Mesh;
    readonly models: ModelStore;
    readonly history: History;
  },
  stack: AsyncDisposableStack,
  component: (name: string) => NodeDeps & { readonly metrics: Metrics },
): Promise<Api> {
  const { registry, cache, mesh, models, history } = parts;
  const { view, replicas } = mesh;
  const authority = await openKeys(config, registry, stack, component("auth"));
  return stack.use(
    await Api.open(apiOptions(config), {
      ...component("api"),
      ...{ ...parts, view, replicas, blobs: models },
      catalog: cachedCatalog(new RegistryCatalog(registry), cache),
      readiness: () => [
        registryReadiness(registry),
        cacheReadiness(cache),
        ...keysReadiness(authority),
      ],
      wishes: new RegistryPlacement(registry),
      ...{ database: registry, cache: cache.redis, authority, recorder: history },
    }),
  );
}

/** A node that has found its cluster serves it without the registry, so a balancer shall go on sending it requests. */
function registryReadiness(registry: Registry): Readiness {
  const { reachable } = registry;
  const reason = { reason: "the database does not answer" };
  return { name: "registry", ready: reachable, optional: true, ...(reachable ? {} : reason) };
}
