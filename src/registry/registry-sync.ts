import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { NodeView } from "../core/node-view.ts";
import { isAway } from "./errors.ts";
import { type NodeStatus, upsertNode } from "./nodes.ts";
import type { Database } from "./pool.ts";
import { type OwnReplica, writeOwnReplicas } from "./replicas.ts";
import { within } from "./within.ts";

export interface RegistrySyncDeps {
  readonly registry: Database & { ready(): boolean };
  readonly self: () => NodeView;
  readonly replicas: () => readonly OwnReplica[];
  /** The registry's models and replicas may be others from now on. */
  readonly onModelsWritten?: () => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A heartbeat costs the database at most one row per node in this time, however many nodes there are. */
const HEARTBEAT_INTERVAL_MS = 5_000;
/** News goes out at once, but never more often than this. */
const NEWS_INTERVAL_MS = 250;
const LAST_WORD_MS = 2_000;

/**
 * Writes this node's own row and its replicas. What is written is always the latest state, so that while the database is
 * away nothing piles up: there is one state to write when it is back.
 */
export class RegistrySync implements AsyncDisposable {
  readonly #deps: RegistrySyncDeps;
  readonly #stopping = new AbortController();
  #nap = new AbortController();
  #news = false;
  #written: { readonly rowId: string; readonly replicas: readonly OwnReplica[] } | undefined;
  /** What was told already; empty when nothing is wrong. */
  #problem = "";
  #loop: Promise<void> = Promise.resolve();

  private constructor(deps: RegistrySyncDeps) {
    this.#deps = deps;
  }

  static async open(deps: RegistrySyncDeps): Promise<RegistrySync> {
    const sync = new RegistrySync(deps);
    await sync.#writeQuietly();
    sync.#loop = sync.#run();
    return sync;
  }

  /** Something changed that others should read soon. Never waits. */
  touch(): void {
    this.#news = true;
    this.#nap.abort();
  }

  async #run(): Promise<void> {
    const { clock } = this.#deps;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#nap = new AbortController();
      const wake = AbortSignal.any([signal, this.#nap.signal]);
      if (!this.#news) await clock.sleep(HEARTBEAT_INTERVAL_MS, wake).catch(() => {});
      if (signal.aborted) return;
      this.#news = false;
      await this.#writeQuietly();
      await clock.sleep(NEWS_INTERVAL_MS, signal).catch(() => {});
    }
  }

  async #writeQuietly(): Promise<void> {
    if (!this.#deps.registry.ready()) return;
    const { signal } = this.#stopping;
    try {
      await this.#write(this.#deps.self().state === "active" ? "active" : "draining", signal);
      if (this.#problem) this.#deps.log.info({}, "registry takes this node's state again");
      this.#problem = "";
    } catch (error) {
      if (signal.aborted) return;
      this.#tell(error);
      this.#written = undefined; // It may have come back as another server, without our rows.
    }
  }

  /** Once, not at each try. */
  #tell(error: unknown): void {
    const problem = messageOf(error);
    const kind = isAway(error) ? "away" : problem;
    if (kind === this.#problem) return;
    this.#problem = kind;
    if (isAway(error)) this.#deps.log.warn({ problem }, "registry is away; state waits");
    else this.#deps.log.error({ problem }, "registry refused this node's state");
  }

  async #write(status: NodeStatus, signal: AbortSignal): Promise<void> {
    const { registry } = this.#deps;
    const self = this.#deps.self();
    const rowId = await registry.run("node_write", (sql) => upsertNode(sql, { ...self, status }), {
      signal,
    });
    if (rowId === undefined) {
      this.#deps.log.warn({}, "registry has a newer incarnation of this node");
      return;
    }
    const replicas = this.#deps.replicas();
    // Of another row, when somebody deleted ours.
    if (this.#written?.rowId === rowId && sameReplicas(this.#written.replicas, replicas)) return;
    const node = { rowId, incarnation: self.incarnation };
    const done = await registry.run(
      "replicas_write",
      (sql) => writeOwnReplicas(sql, node, replicas),
      { signal },
    );
    this.#written = done ? { rowId, replicas } : undefined;
    if (done) this.#deps.onModelsWritten?.();
  }

  /** Says that this node is offline, if the database is there to hear it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    this.#nap.abort();
    await this.#loop;
    if (!this.#deps.registry.ready()) return;
    const { clock, log } = this.#deps;
    try {
      await within(clock, LAST_WORD_MS, new AbortController().signal, (signal) =>
        this.#write("offline", signal),
      );
    } catch (error) {
      log.warn({ problem: messageOf(error) }, "registry was not told that we leave");
    }
  }
}

function sameReplicas(a: readonly OwnReplica[], b: readonly OwnReplica[]): boolean {
  const keys = (replicas: readonly OwnReplica[]): string =>
    replicas
      .map(
        ({ record, state, placed = false, verdict }) =>
          `${record.name} ${record.manifest} ${state} ${placed} ${verdict?.atMs} ${verdict?.isSound}`,
      )
      .sort()
      .join("\n");
  return keys(a) === keys(b);
}
