import type { Clock } from "../core/clock.ts";
import type { ManifestDigest } from "../core/digest.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { NodeId } from "../core/node-id.ts";
import type {
  Holder,
  KnownModel,
  LocalReplicaChange,
  PeerStreams,
  ReplicaIndex,
} from "../core/ports.ts";
import type { Random } from "../core/random.ts";
import { backoffMs } from "../core/retry.ts";
import type { Gossip } from "./gossip.ts";
import type { ReplicaLedger } from "./replica-ledger.ts";
import { fetchReplicaList, serveReplicaList } from "./replica-lists.ts";
import type { AnnouncementRecord } from "./replica-records.ts";
import { withTimeout } from "./with-timeout.ts";

export interface ReplicasDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly self: NodeId;
  readonly ledger: ReplicaLedger;
  readonly streams: PeerStreams;
  readonly gossip: Pick<Gossip, "publish">;
  /** A departed node's replicas are of no use to anyone. */
  readonly isThere: (node: NodeId) => boolean;
  readonly onAnnounced: () => void;
}

const FETCH_TIMEOUT_MS = 5_000;
const FETCH_TRIES_MAX = 6;
const FETCH_BACKOFF = { firstMs: 200, maxMs: 5_000 };

/** The replica index: announces our own changes, takes the others', and fetches a whole list where one was missed. */
export class Replicas implements ReplicaIndex, AsyncDisposable {
  readonly #deps: ReplicasDeps;
  readonly #stopping = new AbortController();
  readonly #fetching = new Map<NodeId, Promise<void>>();
  readonly #serving: Disposable;
  #publishing = Promise.resolve();

  private constructor(deps: ReplicasDeps) {
    this.#deps = deps;
    this.#serving = serveReplicaList(deps.streams, () => deps.ledger.ownList());
  }

  static open(deps: ReplicasDeps): Replicas {
    return new Replicas(deps);
  }

  holders(model: ManifestDigest): readonly Holder[] {
    const { ledger, clock } = this.#deps;
    return ledger.holders(model, clock.nowMs()).filter(({ node }) => this.#isThere(node));
  }

  models(): readonly KnownModel[] {
    const { ledger, clock } = this.#deps;
    return ledger
      .models(clock.nowMs())
      .map(({ record, holders }) => ({
        record,
        holders: holders.filter(({ node }) => this.#isThere(node)),
      }))
      .filter(({ holders }) => holders.length > 0);
  }

  replicas(): ReturnType<ReplicaIndex["replicas"]> {
    return this.#deps.ledger.all(this.#deps.clock.nowMs());
  }

  announce(change: LocalReplicaChange): void {
    const { ledger, clock, gossip, log, self, onAnnounced } = this.#deps;
    const version = ledger.announce(change, clock.nowMs());
    if (version === undefined) return;
    this.#publishing = this.#publishing
      .then(() => gossip.publish("replicas", { node: self, version, change }))
      // The next heartbeat carries the version: who missed this fetches the list.
      .catch((error) => log.warn({ error: messageOf(error) }, "a replica was not announced"));
    onAnnounced();
  }

  doubt(node: NodeId): void {
    this.#fetch(node);
  }

  take({ node, version, change }: AnnouncementRecord): void {
    const { ledger, clock } = this.#deps;
    if (ledger.take(node, version, change, clock.nowMs()) === "gap") this.#fetch(node);
  }

  /** From a heartbeat: a newer version than ours means that we missed something. */
  compare(node: NodeId, version: bigint): void {
    if (version > this.#deps.ledger.version(node)) this.#fetch(node);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    this.#serving[Symbol.dispose]();
    await Promise.all(this.#fetching.values());
    await this.#publishing;
  }

  #isThere(node: NodeId): boolean {
    return node === this.#deps.self || this.#deps.isThere(node);
  }

  #fetch(node: NodeId): void {
    if (node === this.#deps.self || this.#fetching.has(node) || this.#stopping.signal.aborted)
      return;
    const fetching = this.#fetchList(node).finally(() => this.#fetching.delete(node));
    this.#fetching.set(node, fetching);
  }

  async #fetchList(node: NodeId): Promise<void> {
    const { clock, random, streams, ledger, log } = this.#deps;
    const { signal } = this.#stopping;
    const onTimeout = (): Error => new Error(`no list in ${FETCH_TIMEOUT_MS} ms`);
    for (let attempt = 1; attempt <= FETCH_TRIES_MAX && !signal.aborted; attempt++) {
      try {
        const list = await withTimeout(
          clock,
          { timeoutMs: FETCH_TIMEOUT_MS, signal, onTimeout },
          (signal) => fetchReplicaList(streams, node, { signal }),
        );
        ledger.replace(node, list, clock.nowMs());
        return;
      } catch (error) {
        log.debug({ node, error: messageOf(error) }, "a node's replica list was not fetched");
        const pauseMs = backoffMs(FETCH_BACKOFF, attempt, random);
        await clock.sleep(pauseMs, signal).catch(() => {});
      }
    }
  }
}
