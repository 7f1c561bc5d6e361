import type { Readiness } from "../api/deps.ts";
import { KeyRing } from "../auth/key-ring.ts";
import type { Metrics } from "../core/metrics.ts";
import type { Registry } from "../registry/registry.ts";
import { RegistryKeys } from "../registry/registry-keys.ts";
import type { Config } from "./config/config.ts";
import type { NodeDeps } from "./deps.ts";

/** The cluster's keys, where they are required; undefined: the API is open. */
export async function openKeys(
  { OLLAMA_AUTH_MODE: mode }: Pick<Config, "OLLAMA_AUTH_MODE">,
  registry: Registry,
  stack: AsyncDisposableStack,
  deps: NodeDeps & { readonly metrics: Metrics },
): Promise<KeyRing | undefined> {
  if (mode === "off") return undefined;
  return stack.use(await KeyRing.open({ ...deps, source: new RegistryKeys(registry) }));
}

/** Without keys it can let nobody in, so a balancer shall not send it anybody. */
export function keysReadiness(keys: KeyRing | undefined): readonly Readiness[] {
  if (!keys) return [];
  const reason = { reason: "the cluster's keys were not read from the database yet" };
  return [{ name: "keys", ready: keys.ready, ...(keys.ready ? {} : reason) }];
}
