import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { jittered, type Random } from "../core/random.ts";
import type { Gossip } from "./gossip.ts";
import { heartbeatIntervalMs, heartbeatTtlMs } from "./heartbeat-interval.ts";
import { MEMBERSHIP_UPDATES_MAX } from "./limits.ts";
import type { HeartbeatRecord, UpdateRecord } from "./membership-records.ts";
import { Pulse } from "./pulse.ts";

export interface HeartbeatsDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly gossip: Pick<Gossip, "publish">;
  /** What to say of ourselves now. */
  readonly self: () => Omit<HeartbeatRecord, "sequence" | "ttlMs">;
  readonly nodeCount: () => number;
  readonly onSent?: () => void;
}

/** A report that changes all the time is told twice as often as one that does not, and what came between with it. */
const GAP_SHARE = 0.5;
const PENDING_UPDATES_MAX = 1_000;

/** Publishes what this node says of itself, at intervals and at once on a change, and what it has to say of others. */
export class Heartbeats implements AsyncDisposable {
  readonly #deps: HeartbeatsDeps;
  readonly #stopping = new AbortController();
  readonly #pulse = new Pulse();
  #pending: UpdateRecord[] = [];
  #sequence = 0n;
  #publishing: Promise<void> = Promise.resolve();
  #beating: Promise<void> = Promise.resolve();

  private constructor(deps: HeartbeatsDeps) {
    this.#deps = deps;
  }

  static open(deps: HeartbeatsDeps): Heartbeats {
    const heartbeats = new Heartbeats(deps);
    heartbeats.#beating = heartbeats.#beat();
    return heartbeats;
  }

  /** What we say of ourselves has changed. */
  touch(): void {
    this.#pulse.wake();
  }

  /** Something about others, to be passed on at once. */
  pass(updates: readonly UpdateRecord[]): void {
    this.#pending = [...this.#pending, ...updates].slice(-PENDING_UPDATES_MAX);
    if (updates.length > 0) this.#publishing = this.#publishing.then(() => this.#publishUpdates());
  }

  /** Resolves once a heartbeat is on its way. */
  async publish(): Promise<void> {
    const heartbeat = {
      ...this.#deps.self(),
      sequence: ++this.#sequence,
      ttlMs: heartbeatTtlMs(heartbeatIntervalMs(this.#deps.nodeCount())),
    };
    const updates = this.#pending.splice(0, MEMBERSHIP_UPDATES_MAX);
    await this.#deps.gossip.publish("heartbeats", { heartbeat, updates });
    this.#deps.onSent?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#beating;
    await this.#publishing;
  }

  async #beat(): Promise<void> {
    const { clock, random } = this.#deps;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#try(() => this.publish());
      const intervalMs = heartbeatIntervalMs(this.#deps.nodeCount());
      const gapMs = GAP_SHARE * intervalMs;
      await clock.sleep(gapMs, signal).catch(() => {});
      await this.#pulse.sleep(clock, jittered(random, intervalMs, 0.2) - gapMs, signal);
    }
  }

  async #publishUpdates(): Promise<void> {
    while (this.#pending.length > 0 && !this.#stopping.signal.aborted) {
      const updates = this.#pending.splice(0, MEMBERSHIP_UPDATES_MAX);
      await this.#try(() => this.#deps.gossip.publish("heartbeats", { updates }));
    }
  }

  /** Gossip that is lost is said again by the next heartbeat. */
  async #try(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      this.#deps.log.warn({ error: messageOf(error) }, "gossip could not be published");
    }
  }
}
