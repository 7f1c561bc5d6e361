import type { NodeId } from "../../core/node-id.ts";

/** One question to a node, first asked directly, then through others. */
export interface Probe {
  readonly probeId: number;
  readonly node: NodeId;
  phase: "direct" | "indirect";
  deadlineMs: number;
  /** Answers that relays still owe us. */
  owed: number;
}

/** The probes under way: at most one to each node, so never more than there are members. */
export class Probes {
  readonly #byNode = new Map<NodeId, Probe>();
  #lastId = 0;

  start(node: NodeId, deadlineMs: number): Probe {
    const probe: Probe = { probeId: ++this.#lastId, node, phase: "direct", deadlineMs, owed: 0 };
    this.#byNode.set(node, probe);
    return probe;
  }

  to(node: NodeId): Probe | undefined {
    return this.#byNode.get(node);
  }

  byId(probeId: number): Probe | undefined {
    for (const probe of this.#byNode.values()) {
      if (probe.probeId === probeId) return probe;
    }
    return undefined;
  }

  end(node: NodeId): void {
    this.#byNode.delete(node);
  }

  overdue(nowMs: number): Probe[] {
    return [...this.#byNode.values()].filter(({ deadlineMs }) => deadlineMs <= nowMs);
  }

  all(): Iterable<Probe> {
    return this.#byNode.values();
  }
}
