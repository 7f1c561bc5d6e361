import path from "node:path";
import type { ModelStore } from "../blobs/model-store.ts";
import type { StoreKeeper } from "../blobs/store-keeper.ts";
import type { NodeJob, Refusal } from "../core/jobs.ts";
import type { Metrics } from "../core/metrics.ts";
import type { NodeId } from "../core/node-id.ts";
import type { Waiting } from "../core/ports.ts";
import { JobMetrics } from "../jobs/job-metrics.ts";
import { PgNodeJobs } from "../jobs/pg-node-jobs.ts";
import type { Mesh } from "../mesh/mesh.ts";
import { NodeJobStatements } from "../registry/node-job-statements.ts";
import { RegistryPlacement } from "../registry/placement.ts";
import type { Registry } from "../registry/registry.ts";
import type { NodeCopies } from "../replication/node-copies.ts";
import { doNodeJob } from "../replication/node-work.ts";
import { PlacedModels } from "../replication/placed-models.ts";
import { Placement } from "../replication/placement.ts";
import type { Config } from "./config/config.ts";
import type { NodeDeps } from "./deps.ts";
import { recordSeen } from "./record-seen.ts";

const POLL_MS = 2_000;
const PLACEMENT = {
  intervalMs: 5_000,
  settleMs: 5_000,
  /** A node that is updated is away for less. */
  graceMs: 300_000,
  graceBytesPerSecond: 100e6,
  /** On their way at once, in the whole cluster. */
  budgetBytes: 256e9,
};

type Deps = NodeDeps & { readonly metrics: Metrics };

/** The queues of nodes, over the registry's connections. */
export function openNodeJobs(
  registry: Registry,
  stack: AsyncDisposableStack,
  deps: Deps,
): { readonly jobs: PgNodeJobs; readonly jobMetrics: JobMetrics } {
  const jobMetrics = new JobMetrics(deps.metrics);
  const store = new NodeJobStatements(registry);
  const options = { pollMs: POLL_MS };
  return {
    jobs: stack.use(new PgNodeJobs(options, { ...deps, store, metrics: jobMetrics })),
    jobMetrics,
  };
}

/** What the leader places. */
export function openPlacement(
  config: Config,
  parts: { readonly registry: Registry; readonly jobs: PgNodeJobs; readonly mesh: Mesh },
  deps: Deps,
): Placement {
  const { registry, jobs, mesh } = parts;
  return new Placement(
    { ...PLACEMENT, wanted: config.OLLAMA_REPLICAS },
    {
      ...{ ...deps, jobs, records: new RegistryPlacement(registry) },
      ...{ view: mesh.view, replicas: mesh.replicas },
    },
  );
}

/** Does what the cluster wants of this node, until disposed. */
export async function serveNodeJobs(
  config: Config,
  parts: {
    readonly self: NodeId;
    readonly registry: Registry;
    readonly jobs: PgNodeJobs;
    readonly models: ModelStore;
    readonly keeper: StoreKeeper;
    readonly copies: NodeCopies;
  },
  stack: AsyncDisposableStack,
  deps: Deps,
): Promise<PlacedModels> {
  const { self, registry, jobs } = parts;
  const placed = await PlacedModels.open(path.join(config.OLLAMA_DATA_DIR, "placed.json"), deps);
  const stopping = new AbortController();
  const work = async (job: NodeJob, o: Waiting): Promise<Refusal | undefined> => {
    const refusal = await doNodeJob(job, { ...parts, placed }, o);
    if (!refusal) return undefined;
    const { kind, name, model } = job;
    const details = { node: self, kind, name, model, problem: refusal.refused };
    await recordSeen(registry, { table: "model_replicas", operation: "REFUSED", details }, deps);
    return refusal;
  };
  const served = jobs.serve(self, work, stopping);
  stack.defer(async () => {
    stopping.abort();
    await served;
  });
  return placed;
}
