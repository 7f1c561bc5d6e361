import type { NodeId } from "../core/node-id.ts";

/** How many requests of ours each node works on now. */
export class InFlight {
  readonly #counts = new Map<NodeId, number>();

  of(node: NodeId): number {
    return this.#counts.get(node) ?? 0;
  }

  add(node: NodeId): void {
    this.#counts.set(node, this.of(node) + 1);
  }

  remove(node: NodeId): void {
    const count = this.of(node) - 1;
    if (count > 0) this.#counts.set(node, count);
    else this.#counts.delete(node);
  }
}
