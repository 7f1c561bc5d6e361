import type { ModelStore } from "../blobs/model-store.ts";
import { StoreKeeper } from "../blobs/store-keeper.ts";
import type { Metrics } from "../core/metrics.ts";
import { parseModelName, sameName } from "../core/model-name.ts";
import type { LlamaEngine } from "../engine/llama-engine.ts";
import { ChildQuantizer } from "../engine/quantize/child-quantizer.ts";
import type { PgNodeJobs } from "../jobs/pg-node-jobs.ts";
import { ClusterDrains } from "../management/cluster-drains.ts";
import { ClusterModels, type LaterRemovals } from "../management/cluster-models.ts";
import { ClusterTransfers } from "../management/cluster-transfers.ts";
import { serveManagement } from "../management/serve-management.ts";
import type { Identity } from "../mesh/identity.ts";
import type { Mesh } from "../mesh/mesh.ts";
import { RegistryPlacement } from "../registry/placement.ts";
import type { Registry } from "../registry/registry.ts";
import type { Config } from "./config/config.ts";
import type { NodeDeps } from "./deps.ts";
import { Drain } from "./drain.ts";
import { openDistribution } from "./open-distribution.ts";
import { openReplication } from "./open-replication.ts";
import type { SelfReport } from "./self-report.ts";

/** What changes models and nodes, here and in the cluster. */
export async function openManagement(
  parts: {
    readonly options: Config;
    readonly identity: Identity;
    readonly models: ModelStore;
    readonly engine: LlamaEngine;
    readonly report: SelfReport;
    readonly mesh: Mesh;
    readonly jobs: PgNodeJobs;
    readonly registry: Registry;
  },
  stack: AsyncDisposableStack,
  deps: NodeDeps & { readonly metrics: Metrics },
) {
  const { options, identity, models, engine, report, mesh, jobs, registry } = parts;
  const { view, replicas, streams } = mesh;
  const keeper = new StoreKeeper(models, { ...deps, quantizer: new ChildQuantizer(deps) });
  const distribution = openDistribution(models, keeper, identity, deps);
  const drain = await Drain.open(options.OLLAMA_DATA_DIR, {
    ...{ ...deps, report, onChange: () => mesh.touch() },
    running: () => engine.status().running + engine.status().queued,
  });
  const { copier, copies, files } = openReplication({ ...parts, keeper }, stack, deps);
  const transfers = (): ReturnType<typeof copier.transfers> => copier.transfers();
  const later = { remove: removeLater(registry, jobs) };
  const local = { keeper, distribution, drain, transfers, later };
  stack.use(serveManagement({ ...deps, ...local, streams }));
  const cluster = { ...deps, ...local, view, replicas, streams };
  return {
    ...{ keeper, copies, files },
    management: new ClusterModels(cluster),
    drains: new ClusterDrains(cluster),
    transfers: new ClusterTransfers(cluster),
  };
}

/** A node that is away finds it in its queue when it returns. */
function removeLater(registry: Registry, jobs: PgNodeJobs): LaterRemovals["remove"] {
  const records = new RegistryPlacement(registry);
  return async (name, present, o) => {
    const holders = (await records.replicas(o)).filter((replica) => {
      const known = parseModelName(replica.name);
      return known !== undefined && sameName(known, name) && !present.has(replica.node);
    });
    for (const { node, name: recorded, model, sizeBytes } of holders) {
      const reason = "it was deleted while the node was away";
      await jobs.send(node, { kind: "remove", name: recorded, model, sizeBytes, reason }, o);
    }
    return holders.map(({ node }) => node);
  };
}
