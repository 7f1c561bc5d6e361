import type { NodeId } from "../core/node-id.ts";

/**
 * A circuit breaker for each node (Nygard, Release It!): FAILURES_MAX failures of its health in a row open it; while it is
 * open no request goes there; after a pause one request may try (half-open), whose success closes it and whose failure
 * opens it again for twice the pause.
 */
const FAILURES_MAX = 3;
const PAUSE_FIRST_MS = 1_000;
const PAUSE_MAX_MS = 30_000;
/** Nodes of which we keep a record: as many as a cluster may have. */
const NODES_MAX = 5_000;

interface Circuit {
  readonly failures: number;
  readonly openedMs: number;
  readonly pauseMs: number;
  readonly trying: boolean;
}

export class Breakers {
  readonly #circuits = new Map<NodeId, Circuit>();

  isOpen(node: NodeId, nowMs: number): boolean {
    const circuit = this.#circuits.get(node);
    if (!circuit || circuit.failures < FAILURES_MAX) return false;
    return circuit.trying || nowMs - circuit.openedMs < circuit.pauseMs;
  }

  /** A request goes there: the one that tries an open circuit is alone. */
  asked(node: NodeId): void {
    const circuit = this.#circuits.get(node);
    if (circuit && circuit.failures >= FAILURES_MAX) {
      this.#circuits.set(node, { ...circuit, trying: true });
    }
  }

  succeeded(node: NodeId): void {
    this.#circuits.delete(node);
  }

  /** The request ended without telling anything of the node's health. */
  undecided(node: NodeId): void {
    const circuit = this.#circuits.get(node);
    if (circuit) this.#circuits.set(node, { ...circuit, trying: false });
  }

  failed(node: NodeId, nowMs: number): void {
    const before = this.#circuits.get(node);
    const failures = Math.min((before?.failures ?? 0) + 1, FAILURES_MAX);
    const pauseMs = before?.trying
      ? Math.min(before.pauseMs * 2, PAUSE_MAX_MS)
      : (before?.pauseMs ?? PAUSE_FIRST_MS);
    if (!before && this.#circuits.size >= NODES_MAX) return;
    this.#circuits.set(node, { failures, openedMs: nowMs, pauseMs, trying: false });
  }
}
