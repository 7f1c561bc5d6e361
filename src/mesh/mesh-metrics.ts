import type { Metrics } from "../core/metrics.ts";
import type { ClusterView, ReplicaIndex } from "../core/ports.ts";
import type { LinkCounts } from "./link-opener.ts";

const HEALTHS = ["alive", "suspect", "failed", "left"] as const;
const STATES = ["syncing", "ready", "failed"] as const;

/** The cluster as this node sees it. */
export function measureCluster(
  metrics: Metrics,
  view: Pick<ClusterView, "nodes">,
  replicas: Pick<ReplicaIndex, "replicas">,
): void {
  metrics.gauge(
    {
      name: "ollamamax_mesh_nodes",
      help: "Nodes that this one knows, itself included, by what detection says of them.",
      labels: ["health"],
    },
    () =>
      countsOf(
        "health",
        HEALTHS,
        view.nodes().map(({ health }) => health),
      ),
  );
  metrics.gauge(
    {
      name: "ollamamax_mesh_replicas",
      help: "Replicas that this node knows of, of every node.",
      labels: ["state"],
    },
    () =>
      countsOf(
        "state",
        STATES,
        replicas.replicas().map(({ holder }) => holder.state),
      ),
  );
}

/** Links are what inference and blobs go over; without them they go over libp2p's streams, more slowly. */
export function measureLinks(metrics: Metrics, count: () => LinkCounts): void {
  metrics.gauge(
    {
      name: "ollamamax_mesh_links",
      help: "Links to peers, by which side made them.",
      labels: ["direction"],
    },
    () => Object.entries(count()).map(([direction, links]) => [{ direction }, links] as const),
  );
}

export interface HeartbeatCounts {
  readonly sent: () => void;
  readonly received: () => void;
}

export function countHeartbeats(metrics: Metrics): HeartbeatCounts {
  const counter = metrics.counter({
    name: "ollamamax_mesh_heartbeats_total",
    help: "Heartbeats, by whether this node sent or received them.",
    labels: ["direction"],
  });
  return {
    sent: () => counter.add({ direction: "sent" }),
    received: () => counter.add({ direction: "received" }),
  };
}

/** Also those that nobody has: a series that disappears looks like a node that does not answer. */
function countsOf<T extends string>(label: string, names: readonly T[], values: readonly T[]) {
  return names.map((name) => {
    const count = values.filter((value) => value === name).length;
    return [{ [label]: name }, count] as const;
  });
}
