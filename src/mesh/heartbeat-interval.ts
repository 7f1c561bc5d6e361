const NODES_PER_SECOND = 20;
const INTERVAL_MS_MIN = 1_000;
const INTERVAL_MS_MAX = 15_000;
/** A heartbeat that is lost three times in a row, and some delay. */
const TTL_INTERVALS = 4;

/** Grows with the cluster: each heartbeat costs every node 3–4 ms, so a node shall hear about twenty a second. */
export function heartbeatIntervalMs(nodeCount: number): number {
  const intervalMs = (nodeCount / NODES_PER_SECOND) * 1_000;
  return Math.min(INTERVAL_MS_MAX, Math.max(INTERVAL_MS_MIN, intervalMs));
}

export function heartbeatTtlMs(intervalMs: number): number {
  return TTL_INTERVALS * intervalMs;
}
