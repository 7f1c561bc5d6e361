import type { Authority, Identity, KeySource, Permission, Role } from "../core/auth.ts";
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { type Metrics, noMetrics } from "../core/metrics.ts";
import { jittered, type Random } from "../core/random.ts";
import { KeyUses } from "./key-uses.ts";
import { may } from "./roles.ts";
import { countValid, identify, type Snapshot, snapshotOf } from "./snapshot.ts";

export interface KeyRingDeps {
  readonly source: KeySource;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics?: Metrics;
}

/** A revoked key is refused everywhere within five seconds; this and a fifth more leave half of it for a slow database. */
const REFRESH_MS = 2_000;
const REFRESH_JITTER = 0.2;
const FIRST_KEY = "ollamamax key create NAME --role admin";

/**
 * The cluster's keys in memory, read again and again, so that no request waits for the database. While that is away, the keys
 * that were read last hold, and expire when their time comes.
 */
export class KeyRing implements Authority, AsyncDisposable {
  readonly #deps: KeyRingDeps;
  readonly #uses = new KeyUses();
  readonly #closing = new AbortController();
  #snapshot: Snapshot | undefined;
  #isFailing = false;
  #loop: Promise<void> = Promise.resolve();

  private constructor(deps: KeyRingDeps) {
    this.#deps = deps;
    const { metrics = noMetrics, clock } = deps;
    metrics.gauge(
      {
        name: "ollamamax_auth_keys_age_seconds",
        help: "Since the keys were read; none before they first were.",
      },
      () => (this.#snapshot ? [[{}, (clock.nowMs() - this.#snapshot.readAtMs) / 1_000]] : []),
    );
    metrics.gauge({ name: "ollamamax_auth_keys", help: "Keys that are valid." }, () =>
      this.#snapshot ? [[{}, countValid(this.#snapshot, clock.nowMs())]] : [],
    );
  }

  /** Reads the keys once before it resolves, if they can be read. */
  static async open(deps: KeyRingDeps): Promise<KeyRing> {
    const ring = new KeyRing(deps);
    await ring.#refresh();
    ring.#loop = ring.#run();
    return ring;
  }

  /** True once the keys were read. */
  get ready(): boolean {
    return this.#snapshot !== undefined;
  }

  identify(key: string): Identity {
    const nowMs = this.#deps.clock.nowMs();
    const identity = identify(key, this.#snapshot, nowMs);
    if (identity.kind === "known") this.#uses.used(identity.principal.keyId, nowMs);
    return identity;
  }

  may(role: Role, permission: Permission): boolean {
    return may(role, permission);
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#deps;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const pauseMs = jittered(random, REFRESH_MS, REFRESH_JITTER);
      await clock.sleep(pauseMs, signal).catch(() => {});
      if (!signal.aborted) await this.#refresh();
      if (!signal.aborted) await this.#writeUses();
    }
  }

  /** Never throws. */
  async #refresh(): Promise<void> {
    const { source, clock, log } = this.#deps;
    const { signal } = this.#closing;
    // Before the question: whatever the answer takes, no key lives longer for it.
    const askedAtMs = clock.nowMs();
    try {
      const records = await source.keys({ signal });
      const isFirst = !this.#snapshot;
      this.#snapshot = snapshotOf(records, askedAtMs);
      this.#uses.keepOnly(new Set(records.map(({ keyId }) => keyId)));
      if (this.#isFailing) log.info({ keys: records.length }, "keys are read again");
      this.#isFailing = false;
      if (isFirst && countValid(this.#snapshot, askedAtMs) === 0) {
        log.warn({ command: FIRST_KEY }, "nobody can call the API: there is no key, make one");
      }
    } catch (error) {
      if (signal.aborted || this.#isFailing) return;
      this.#isFailing = true;
      log.warn({ problem: messageOf(error) }, "keys cannot be read; those read before hold");
    }
  }

  /** Never throws: it can wait until the next time. */
  async #writeUses(): Promise<void> {
    const { source, clock, log } = this.#deps;
    const { signal } = this.#closing;
    const keyIds = this.#uses.waiting();
    if (keyIds.length === 0) return;
    try {
      await source.markUsed(keyIds, { signal });
      this.#uses.written(keyIds, clock.nowMs());
    } catch (error) {
      if (!signal.aborted) log.debug({ problem: messageOf(error) }, "uses of keys not written");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#loop;
  }
}
