import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Fence, KnownJob, NodeJobs } from "../core/jobs.ts";
import type { Logger } from "../core/log.ts";
import type { Counter, Metrics } from "../core/metrics.ts";
import type { NodeId } from "../core/node-id.ts";
import type { NodeView } from "../core/node-view.ts";
import type { PlacementRecords, RecordedReplica } from "../core/placement.ts";
import type { ClusterView, ReplicaIndex, Waiting } from "../core/ports.ts";
import {
  type Plan,
  type PlanNode,
  type PlannedJob,
  type PlanOptions,
  type PlanReplica,
  planReplication,
} from "./replication-plan.ts";

export interface PlacementOptions extends PlanOptions {
  readonly intervalMs: number;
  /** A leader that has just begun does not know everybody yet. */
  readonly settleMs: number;
}

export interface PlacementDeps {
  readonly records: PlacementRecords;
  readonly jobs: Pick<NodeJobs, "send" | "cancel" | "list">;
  readonly view: Pick<ClusterView, "nodes">;
  readonly replicas: Pick<ReplicaIndex, "replicas">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Compares, for as long as it leads, which replicas there are with which there should be, and sends nodes what is to be done. */
export class Placement {
  readonly #options: PlacementOptions;
  readonly #deps: PlacementDeps;
  readonly #planned: Counter;
  #below = 0;
  #bytesOnTheWay = 0;
  #problem = "";

  constructor(options: PlacementOptions, deps: PlacementDeps) {
    this.#options = options;
    this.#deps = deps;
    const { metrics } = deps;
    this.#planned = metrics.counter({
      name: "ollamamax_placement_decisions_total",
      help: "What this node decided while it led: copies, removals, and jobs that it called off.",
      labels: ["decision"],
    });
    metrics.gauge(
      {
        name: "ollamamax_placement_models_below_wanted",
        help: "Models with fewer replicas than they should have, as this node sees it while it leads.",
      },
      () => [[{}, this.#below]],
    );
    metrics.gauge(
      {
        name: "ollamamax_placement_bytes_on_the_way",
        help: "Bytes of copies that wait or run, as this node sees it while it leads.",
      },
      () => [[{}, this.#bytesOnTheWay]],
    );
  }

  /** One term. Never rejects: without a database nothing is placed, and nothing else stops. */
  async run(fence: Fence, { signal }: Waiting): Promise<void> {
    const { clock } = this.#deps;
    const absentSinceMs = new Map<NodeId, number>();
    await clock.sleep(this.#options.settleMs, signal).catch(() => {});
    while (!signal.aborted) {
      try {
        await this.#round(fence, absentSinceMs, { signal });
        this.#problem = "";
      } catch (error) {
        if (!signal.aborted) this.#tell(messageOf(error));
      }
      await clock.sleep(this.#options.intervalMs, signal).catch(() => {});
    }
    // Whoever leads now knows better.
    this.#below = 0;
    this.#bytesOnTheWay = 0;
  }

  async #round(fence: Fence, absentSinceMs: Map<NodeId, number>, o: Waiting): Promise<void> {
    const { records, jobs, view, replicas, clock } = this.#deps;
    const [recorded, wanted, known] = await Promise.all([
      records.replicas(o),
      records.wanted(o),
      jobs.list(o),
    ]);
    const nodes = planNodes(view.nodes(), recorded, absentSinceMs, clock.nowMs());
    const plan = planReplication({
      ...{ nodes, wanted, jobs: known, options: this.#options },
      replicas: planReplicas(nodes, replicas.replicas(), recorded),
    });
    await this.#carryOut(plan, fence, o);
    this.#below = plan.below.length;
    this.#bytesOnTheWay = bytesOf(known.filter(isOnTheWay)) + bytesOf(plan.copies);
  }

  async #carryOut({ copies, removals, cancels }: Plan, fence: Fence, o: Waiting): Promise<void> {
    const { jobs, log } = this.#deps;
    for (const { job, reason } of cancels) {
      await jobs.cancel(job, { ...o, fence });
      this.#planned.add({ decision: "cancel" });
      log.info({ model: job.name, node: job.node, reason }, "a copy was called off");
    }
    const send = async (kind: KnownJob["kind"], planned: PlannedJob): Promise<void> => {
      const { node, ...job } = planned;
      if (!(await jobs.send(node, { ...job, kind }, { ...o, fence }))) return;
      this.#planned.add({ decision: kind });
      log.info({ model: job.name, node, reason: job.reason, kind }, "a replica was placed");
    };
    for (const copy of copies) await send("copy", copy);
    for (const removal of removals) await send("remove", removal);
  }

  /** Once, until something else is wrong. */
  #tell(problem: string): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    this.#deps.log.warn({ problem }, "replicas are not placed now");
  }
}

/** Everybody who is known, and those of whom the registry alone knows that they hold something. */
function planNodes(
  views: readonly NodeView[],
  recorded: readonly RecordedReplica[],
  absentSinceMs: Map<NodeId, number>,
  nowMs: number,
): PlanNode[] {
  const seen = views.map((view): PlanNode => {
    const reachable = view.health === "alive" || view.health === "suspect";
    return {
      id: view.id,
      reachable,
      draining: view.state !== "active",
      absentMs: 0,
      zone: view.zone,
      freeDiskBytes: view.freeDiskBytes,
      loaded: new Set(view.loaded.map(({ model }) => model)),
    };
  });
  const ids = new Set(seen.map(({ id }) => id));
  const unseen = [...new Set(recorded.map(({ node }) => node))]
    .filter((id) => !ids.has(id))
    .map((id): PlanNode => {
      const nothing = { zone: "", freeDiskBytes: 0, loaded: new Set<never>() };
      return { id, reachable: false, draining: false, absentMs: 0, ...nothing };
    });
  return [...seen, ...unseen].map((node) => {
    if (node.reachable) {
      absentSinceMs.delete(node.id);
      return node;
    }
    const sinceMs = absentSinceMs.get(node.id) ?? nowMs;
    absentSinceMs.set(node.id, sinceMs);
    return { ...node, absentMs: nowMs - sinceMs };
  });
}

/** What nodes tell of themselves; of those that are away, or have told nothing yet, what they recorded. */
function planReplicas(
  nodes: readonly PlanNode[],
  told: ReturnType<ReplicaIndex["replicas"]>,
  recorded: readonly RecordedReplica[],
): PlanReplica[] {
  const placed = new Set(
    recorded.filter((replica) => replica.placed).map((replica) => keyOf(replica)),
  );
  const heard = new Set(told.map(({ holder }) => holder.node));
  const live = new Set(
    nodes.filter(({ id, reachable }) => reachable && heard.has(id)).map(({ id }) => id),
  );
  const own = told
    .filter(({ holder }) => live.has(holder.node))
    .map(({ record, holder }) => {
      const { name, manifest: model, sizeBytes } = record;
      const replica = { node: holder.node, name, model, sizeBytes, state: holder.state };
      return { ...replica, placed: placed.has(keyOf(replica)) };
    });
  return [...own, ...recorded.filter(({ node }) => !live.has(node))];
}

function keyOf({ node, name, model }: Pick<RecordedReplica, "node" | "name" | "model">): string {
  return `${node} ${name} ${model}`;
}

function isOnTheWay({ kind, state }: KnownJob): boolean {
  return kind === "copy" && state !== "failed";
}

function bytesOf(jobs: readonly { readonly sizeBytes: number }[]): number {
  return jobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
