/** So many independent confirmations make us as quick as we ever get. */
export const CONFIRMATIONS_MAX = 3;
/** Without a confirmation a suspect has this many times longer than with all of them. */
const PATIENCE = 3;
const TIMEOUT_MS_BASE = 600;
/** News takes longer to cross a larger cluster, by the logarithm of its size: the suspect must hear of it and refute. */
const TIMEOUT_MS_PER_DECADE = 300;
/** Its connections were closed, which a healthy node's rarely are: its refutation only has to be dialled. */
const CLOSED_TIMEOUT_MS = 300;

export interface Doubt {
  /** Alive nodes, we and the suspect included. */
  readonly nodeCount: number;
  /** Nodes that found the same by themselves, without the first. */
  readonly confirmations: number;
  readonly closed: boolean;
}

/**
 * How long a suspect has to refute, from the first suspicion on. As in memberlist's suspicion.go, after Lifeguard
 * (Dadgar, Phillips, Currey 2018, §IV-B): from the maximum down to the minimum with the logarithm of the confirmations,
 * so that one confused observer waits long and several that agree do not.
 */
export function suspicionTimeoutMs({ nodeCount, confirmations, closed }: Doubt): number {
  const decades = Math.max(1, Math.log10(Math.max(1, nodeCount)));
  const minMs = closed ? CLOSED_TIMEOUT_MS : TIMEOUT_MS_BASE + TIMEOUT_MS_PER_DECADE * decades;
  const maxMs = PATIENCE * minMs;
  const neededCount = confirmationsNeeded(nodeCount);
  if (neededCount === 0) return maxMs;
  const share = Math.log(confirmations + 1) / Math.log(neededCount + 1);
  return Math.max(minMs, maxMs - (maxMs - minMs) * share);
}

/** Fewer in a small cluster, where nobody else is left to confirm it. */
export function confirmationsNeeded(nodeCount: number): number {
  return Math.max(0, Math.min(CONFIRMATIONS_MAX, nodeCount - 2));
}
