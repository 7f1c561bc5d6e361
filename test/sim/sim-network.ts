import type { Random } from "../../src/core/random.ts";
import { EventQueue } from "./event-queue.ts";

export interface NetworkOptions {
  /** Of messages, each by its own chance. */
  readonly lossShare: number;
  /** Of a message on its way, any value between the two being as likely as another. */
  readonly delayMsMin: number;
  readonly delayMsMax: number;
}

/**
 * A network between numbered nodes, on a clock of its own that runs as fast as the machine can.
 *
 * It models: messages that are lost, late, and overtake each other; partitions, which cut both directions and also what is on
 * its way; and, through `cut`, one direction between two nodes alone.
 * It does not model: bandwidth, duplicates, damaged messages, or TCP, where loss shows as delay: it is harsher than the
 * network that the mesh runs on.
 */
export class SimNetwork {
  readonly #options: NetworkOptions;
  readonly #random: Random;
  readonly #queue = new EventQueue();
  readonly #cuts = new Set<string>();
  #sideOf: readonly number[] = [];
  #nowMs = 0;

  constructor(options: NetworkOptions, random: Random) {
    this.#options = options;
    this.#random = random;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Nothing passes between nodes of different sides; a node without a side is on side 0. */
  partition(sideOf: readonly number[]): void {
    this.#sideOf = sideOf;
  }

  heal(): void {
    this.#sideOf = [];
    this.#cuts.clear();
  }

  cut(from: number, to: number): void {
    this.#cuts.add(`${from}>${to}`);
  }

  reaches(from: number, to: number): boolean {
    if ((this.#sideOf[from] ?? 0) !== (this.#sideOf[to] ?? 0)) return false;
    return this.#cuts.size === 0 || !this.#cuts.has(`${from}>${to}`);
  }

  /** Lets it happen later. */
  at(dueMs: number, action: () => void): void {
    this.#queue.push(Math.max(dueMs, this.#nowMs), action);
  }

  /** Delivers the message after a while, or never. */
  send(from: number, to: number, deliver: () => void): void {
    if (this.isLost() || !this.reaches(from, to)) return;
    this.at(this.#nowMs + this.delayMs(), () => {
      if (this.reaches(from, to)) deliver();
    });
  }

  isLost(): boolean {
    return this.#random.next() < this.#options.lossShare;
  }

  delayMs(): number {
    const { delayMsMin, delayMsMax } = this.#options;
    return delayMsMin + (delayMsMax - delayMsMin) * this.#random.next();
  }

  run(durationMs: number): void {
    const endMs = this.#nowMs + durationMs;
    while (this.#queue.nextMs <= endMs) {
      this.#nowMs = this.#queue.nextMs;
      this.#queue.pop()?.();
    }
    this.#nowMs = endMs;
  }
}
