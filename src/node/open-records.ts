import type { ModelStore } from "../blobs/model-store.ts";
import type { Scrub } from "../blobs/scrub.ts";
import type { StoreKeeper } from "../blobs/store-keeper.ts";
import type { TieredCache } from "../cache/tiered-cache.ts";
import type { Metrics } from "../core/metrics.ts";
import type { ModelRecord } from "../core/model.ts";
import type { JobMetrics } from "../jobs/job-metrics.ts";
import type { PgNodeJobs } from "../jobs/pg-node-jobs.ts";
import type { Mesh } from "../mesh/mesh.ts";
import { Leader } from "../registry/leader.ts";
import type { Registry } from "../registry/registry.ts";
import { RegistrySync } from "../registry/registry-sync.ts";
import type { OwnReplica } from "../registry/replicas.ts";
import type { NodeCopies } from "../replication/node-copies.ts";
import { modelsChanged } from "./cached-catalog.ts";
import type { Config } from "./config/config.ts";
import type { NodeDeps } from "./deps.ts";
import { followModelChanges, type ModelChanges } from "./follow-model-changes.ts";
import { leaderDuty } from "./leader-duty.ts";
import { openPlacement, serveNodeJobs } from "./open-placement.ts";

/** What this node tells the registry of itself, what the one that leads tells it of the others, and what both do by it. */
export async function openRecords(
  config: Config,
  parts: {
    readonly registry: Registry;
    readonly cache: TieredCache;
    readonly mesh: Mesh;
    readonly models: ModelStore;
    readonly keeper: StoreKeeper;
    readonly copies: NodeCopies;
    readonly jobs: PgNodeJobs;
    readonly jobMetrics: JobMetrics;
    readonly scrub: Scrub;
  },
  stack: AsyncDisposableStack,
  deps: NodeDeps & { readonly metrics: Metrics },
): Promise<RegistrySync> {
  const { registry, cache, mesh, models, scrub } = parts;
  const { view } = mesh;
  const self = view.self().id;
  const placed = await serveNodeJobs(config, { ...parts, self }, stack, deps);
  const replicas = (): OwnReplica[] =>
    mesh.replicas
      .replicas()
      .filter(({ holder }) => holder.node === self)
      .map(({ record, holder }) => ({
        ...{ record, state: holder.state, placed: placed.has(record) },
        ...verdictOn(record, models, scrub),
      }));
  const sync = stack.use(
    await RegistrySync.open({
      ...{ ...deps, registry, replicas },
      self: () => view.self(),
      onModelsWritten: () => void modelsChanged(cache),
    }),
  );
  // Without Redis nothing is kept for longer than a second anyway.
  if (cache.redis) stack.use(followModelChanges(changesOf(registry), cache, deps));
  const maintenance = leaderDuty(config, { registry, cache, view }, deps, parts.jobMetrics);
  const placement = openPlacement(config, parts, deps);
  const duty: typeof maintenance = async (fence, o) => {
    await Promise.all([maintenance(fence, o), placement.run(fence, o)]);
  };
  stack.use(Leader.open({ ...deps, registry, view, duty }));
  return sync;
}

/** Of all its blobs: the oldest, and whether every one was sound. */
function verdictOn(
  { manifest }: ModelRecord,
  models: ModelStore,
  scrub: Scrub,
): Pick<OwnReplica, "verdict"> {
  const verdicts = models.blobsOfModel(manifest).map((digest) => scrub.verdictOn(digest));
  if (verdicts.length === 0 || verdicts.some((verdict) => !verdict)) return {};
  const given = verdicts.flatMap((verdict) => verdict ?? []);
  return {
    verdict: {
      isSound: given.every(({ isSound }) => isSound),
      atMs: Math.min(...given.map(({ atMs }) => atMs)),
    },
  };
}

function changesOf(registry: Registry): ModelChanges {
  return { ready: () => registry.ready(), recent: (o) => registry.recentModelChanges(o) };
}
