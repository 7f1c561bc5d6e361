import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { parseNodeId } from "../core/node-id.ts";
import { parseClusterKey } from "../mesh/cluster-key.ts";
import type { Mesh } from "../mesh/mesh.ts";
import type { Registry } from "../registry/registry.ts";
import { keepClusterKeys } from "./cluster-keys.ts";

/** A revoked node is out everywhere within five seconds (design §4): asking each second leaves four for a slow database. */
const POLL_MS = 1_000;

export interface ClusterPolicyDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly dataDir: string;
}

/** Brings the registry's word on keys and denied nodes to the mesh, until disposed. While it is away the last word holds. */
export function followClusterPolicy(
  registry: Pick<Registry, "ready" | "clusterKeys" | "deniedNodes">,
  mesh: Pick<Mesh, "setClusterKeys" | "deny">,
  deps: ClusterPolicyDeps,
): AsyncDisposable {
  const stopping = new AbortController();
  const following = follow(registry, mesh, deps, stopping.signal);
  return {
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await following;
    },
  };
}

async function follow(
  registry: Pick<Registry, "ready" | "clusterKeys" | "deniedNodes">,
  mesh: Pick<Mesh, "setClusterKeys" | "deny">,
  { clock, log, dataDir }: ClusterPolicyDeps,
  signal: AbortSignal,
): Promise<void> {
  let appliedKeys = "";
  const denied = new Set<string>();
  while (!signal.aborted) {
    try {
      if (registry.ready()) {
        const keys = await registry.clusterKeys({ signal });
        if (keys.join() !== appliedKeys) {
          mesh.setClusterKeys(keys.map(parseClusterKey));
          await keepClusterKeys(dataDir, keys);
          if (appliedKeys !== "") log.info({ keys: keys.length }, "cluster keys changed");
          appliedKeys = keys.join();
        }
        const fresh = (await registry.deniedNodes({ signal })).filter((node) => !denied.has(node));
        for (const node of fresh) denied.add(node);
        mesh.deny(fresh.flatMap((node) => parseNodeId(node) ?? []));
        if (fresh.length > 0) log.warn({ nodes: fresh }, "nodes denied");
      }
    } catch (error) {
      if (!signal.aborted) log.debug({ problem: messageOf(error) }, "cluster policy not read");
    }
    await clock.sleep(POLL_MS, signal).catch(() => {});
  }
}
