import type { NodeId } from "../../core/node-id.ts";
import type { Random } from "../../core/random.ts";
import type { UpdateRecord } from "../membership-records.ts";

/** Each message costs every node a few milliseconds: in this time so many nodes can speak one after the other. */
const DELAY_MS_PER_NODE = 4;
const DELAY_MS_MAX = 200;

/**
 * What we have found out about others. When a node dies, everybody notices at the same moment: each waits a random while
 * before it speaks, and keeps silent when enough others have said the same meanwhile (as in Floyd et al. 1997, SRM).
 */
export class Outbox {
  readonly #random: Random;
  readonly #waiting = new Map<NodeId, { readonly update: UpdateRecord; readonly dueMs: number }>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** Only the last word about a node counts, so this never holds more than there are members. Returns when it is due. */
  put(update: UpdateRecord, nodeCount: number, nowMs: number): number {
    const delayMs = this.#random.next() * Math.min(DELAY_MS_MAX, DELAY_MS_PER_NODE * nodeCount);
    this.#waiting.set(update.node, { update, dueMs: nowMs + delayMs });
    return nowMs + delayMs;
  }

  drop(node: NodeId): void {
    this.#waiting.delete(node);
  }

  takeDue(nowMs: number): UpdateRecord[] {
    const due: UpdateRecord[] = [];
    for (const [node, { update, dueMs }] of this.#waiting) {
      if (dueMs > nowMs) continue;
      due.push(update);
      this.#waiting.delete(node);
    }
    return due;
  }

  get nextMs(): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { dueMs } of this.#waiting.values()) nextMs = Math.min(nextMs, dueMs);
    return nextMs;
  }
}
