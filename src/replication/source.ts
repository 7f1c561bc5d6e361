import type { Clock } from "../core/clock.ts";
import { isAborted } from "../core/errors.ts";
import type { NodeId } from "../core/node-id.ts";
import type { BlobPeer } from "./blob-peer.ts";
import { Speed } from "./speed.ts";

const RETRY_MS = 500;
const RETRY_MS_MAX = 15_000;
const BUSY_RETRY_MS = 250;

/** A holder as one copy of a model knows it. */
export class Source {
  readonly peer: BlobPeer;
  readonly speed: Speed;
  readonly #clock: Pick<Clock, "nowMs">;
  /** Requests for pieces under way. */
  active = 0;
  receivedBytes = 0;
  /** How long its pieces take, one after the other. */
  pieceMs: number | undefined;
  #failures = 0;
  #notBeforeMs = 0;

  constructor(peer: BlobPeer, clock: Pick<Clock, "nowMs">) {
    this.peer = peer;
    this.#clock = clock;
    this.speed = new Speed(clock.nowMs());
  }

  get node(): NodeId {
    return this.peer.node;
  }

  get isResting(): boolean {
    return this.#clock.nowMs() < this.#notBeforeMs;
  }

  received(bytes: number, tookMs: number): void {
    this.#failures = 0;
    this.receivedBytes += bytes;
    this.speed.add(bytes, this.#clock.nowMs());
    this.pieceMs = this.pieceMs === undefined ? tookMs : (this.pieceMs + tookMs) / 2;
  }

  /** It rests longer each time, until something comes from it again. */
  failed(error: unknown): void {
    if (isAborted(error)) return;
    const restMs = Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** this.#failures++);
    this.#notBeforeMs = this.#clock.nowMs() + restMs;
  }

  busy(): void {
    this.#notBeforeMs = this.#clock.nowMs() + BUSY_RETRY_MS;
  }
}
