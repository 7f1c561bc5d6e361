import { Membership } from "../../src/mesh/membership/membership.ts";
import { type Change, type ClusterOptions, type Detector, SimCluster } from "./sim-cluster.ts";

/** A cluster with the mesh's own detection, in a good network unless the options say otherwise. */
export function membershipCluster(
  options: Pick<ClusterOptions, "nodeCount" | "seed"> & Partial<ClusterOptions>,
): SimCluster {
  return new SimCluster({
    lossShare: 0,
    delayMsMin: 1,
    delayMsMax: 20,
    detector: (self, incarnation, random): Detector => {
      const membership = new Membership({ incarnation }, { self, random });
      return {
        get incarnation() {
          return membership.incarnation;
        },
        handle: (event, nowMs) => membership.handle(event, nowMs),
        nextWakeMs: (nowMs) => membership.nextWakeMs(nowMs),
        healthOf: (node) => membership.member(node, 0)?.health,
      };
    },
    ...options,
  });
}

export function failures(changes: readonly Change[]): readonly Change[] {
  return changes.filter(({ kind }) => kind === "failed");
}

/** Runs until everybody up holds everybody up for alive; how long that took, or undefined when it took too long. */
export function agreedAfterMs(cluster: SimCluster, maxMs: number): number | undefined {
  const startMs = cluster.nowMs;
  while (!cluster.agrees()) {
    if (cluster.nowMs - startMs >= maxMs) return undefined;
    cluster.run(50);
  }
  return cluster.nowMs - startMs;
}

/** The value that this share of them do not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN;
}
