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
import { withTimeout } from "../core/with-timeout.ts";
import type { Gossip } from "./gossip.ts";
import type { ReplicaTable } from "./membership/replica-table.ts";
import { Pulse } from "./pulse.ts";
import { fetchReplicaList, serveReplicaList } from "./replica-lists.ts";
import type { AnnouncementRecord } from "./replica-records.ts";

export interface ReplicasDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly self: NodeId;
  readonly table: ReplicaTable;
  readonly streams: PeerStreams;
  readonly gossip: Pick<Gossip, "publish">;
  readonly onAnnounced: () => void;
}

const FETCH_TIMEOUT_MS = 5_000;
/** Something always happens sooner: this bounds one sleep. */
const SLEEP_MS_MAX = 60_000;

/** The replica index: announces our own changes, takes the others', and fetches the lists that the table finds wanting. */
export class Replicas implements ReplicaIndex, AsyncDisposable {
  readonly #deps: ReplicasDeps;
  readonly #stopping = new AbortController();
  readonly #pulse = new Pulse();
  readonly #fetching = new Set<Promise<void>>();
  readonly #serving: Disposable;
  #publishing = Promise.resolve();
  #loop = Promise.resolve();

  private constructor(deps: ReplicasDeps) {
    this.#deps = deps;
    this.#serving = serveReplicaList(deps.streams, () => deps.table.ownList());
  }

  static open(deps: ReplicasDeps): Replicas {
    const replicas = new Replicas(deps);
    replicas.#loop = replicas.#run();
    return replicas;
  }

  holders(model: ManifestDigest): readonly Holder[] {
    return this.#deps.table.holders(model, this.#deps.clock.nowMs());
  }

  models(): readonly KnownModel[] {
    return this.#deps.table.models(this.#deps.clock.nowMs());
  }

  replicas(): ReturnType<ReplicaIndex["replicas"]> {
    return this.#deps.table.replicas(this.#deps.clock.nowMs());
  }

  announce(change: LocalReplicaChange): void {
    const { table, clock, gossip, log, onAnnounced } = this.#deps;
    const announcement = table.announce(change, clock.nowMs());
    if (!announcement) return;
    this.#publishing = this.#publishing
      .then(() => gossip.publish("replicas", announcement))
      // The next heartbeat carries the version: who missed this fetches the list.
      .catch((error) => log.warn({ error: messageOf(error) }, "a replica was not announced"));
    onAnnounced();
  }

  doubt(node: NodeId): void {
    this.#deps.table.doubt(node);
    this.#pulse.wake();
  }

  take(announcement: AnnouncementRecord): void {
    this.#deps.table.take(announcement, this.#deps.clock.nowMs());
    this.#pulse.wake();
  }

  /** From a heartbeat: a newer version than ours means that we missed something. */
  compare(node: NodeId, version: bigint): void {
    this.#deps.table.heard(node, version);
    this.#pulse.wake();
  }

  /** A departed node's replicas are of no use to anyone. */
  forget(node: NodeId): void {
    this.#deps.table.forget(node);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    this.#serving[Symbol.dispose]();
    await this.#loop;
    await Promise.all(this.#fetching);
    await this.#publishing;
  }

  async #run(): Promise<void> {
    const { table, clock } = this.#deps;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const nowMs = clock.nowMs();
      for (const node of table.toFetch(nowMs)) this.#fetch(node);
      const pauseMs = Math.min(SLEEP_MS_MAX, table.nextFetchMs() - nowMs);
      await this.#pulse.sleep(clock, Math.max(0, pauseMs), signal);
    }
  }

  #fetch(node: NodeId): void {
    const fetching = this.#fetchList(node).finally(() => {
      this.#fetching.delete(fetching);
      this.#pulse.wake();
    });
    this.#fetching.add(fetching);
  }

  async #fetchList(node: NodeId): Promise<void> {
    const { clock, streams, table, log } = this.#deps;
    const { signal } = this.#stopping;
    const onTimeout = (): Error => new Error(`no list in ${FETCH_TIMEOUT_MS} ms`);
    try {
      const limits = { timeoutMs: FETCH_TIMEOUT_MS, signal, onTimeout };
      const list = await withTimeout(clock, limits, (signal) =>
        fetchReplicaList(streams, node, { signal }),
      );
      table.fetched(node, list, clock.nowMs());
    } catch (error) {
      log.debug({ node, error: messageOf(error) }, "a node's replica list was not fetched");
      table.notFetched(node, clock.nowMs());
    }
  }
}
