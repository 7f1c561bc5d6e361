import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Fence } from "../core/jobs.ts";
import type { Logger } from "../core/log.ts";
import type { ClusterView, Waiting } from "../core/ports.ts";
import { isAway } from "./errors.ts";
import { decideStatuses } from "./leader-decisions.ts";
import type { Leases, Term } from "./leases.ts";
import { markNode, nodeStatuses } from "./nodes.ts";
import type { Database } from "./pool.ts";
import { storable } from "./storable.ts";

export interface LeaderDeps {
  readonly registry: Database & { readonly leases: Leases };
  readonly view: Pick<ClusterView, "self" | "nodes">;
  readonly clock: Clock;
  readonly log: Logger;
  /** What else the leader does while it leads. The term ends, and the next may begin, once it has returned. */
  readonly duty?: (fence: Fence, o: Waiting) => Promise<void>;
}

const LEASE = "leader";
const LEASE_TTL_MS = 10_000;
const ROUND_INTERVAL_MS = 2_000;
/** The column's width. */
const HOLDER_LENGTH_MAX = 255;

/** While this node holds the lease, it writes what it decides about others. Nothing else of a node waits for a leader. */
export class Leader implements AsyncDisposable {
  readonly #deps: LeaderDeps;
  readonly #stopping = new AbortController();
  #leading: bigint | undefined;
  #loop: Promise<void> = Promise.resolve();

  private constructor(deps: LeaderDeps) {
    this.#deps = deps;
  }

  static open(deps: LeaderDeps): Leader {
    const leader = new Leader(deps);
    leader.#loop = leader.#run();
    return leader;
  }

  /** The token of the present term; undefined when another node leads. */
  token(): bigint | undefined {
    return this.#leading;
  }

  /** Whatever goes wrong with leading, the node goes on without it and tries again. */
  async #run(): Promise<void> {
    const { clock, log } = this.#deps;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#leadTermByTerm();
      } catch (error) {
        log.error({ problem: messageOf(error) }, "leader's loop failed");
        await clock.sleep(LEASE_TTL_MS, signal).catch(() => {});
      }
    }
  }

  async #leadTermByTerm(): Promise<void> {
    const { registry, view, log } = this.#deps;
    const holder = storable(view.self().name, HOLDER_LENGTH_MAX);
    const options = { holder, ttlMs: LEASE_TTL_MS };
    for await (const term of registry.leases.hold(LEASE, options, this.#stopping)) {
      log.info({ term: String(term.token) }, "leading");
      this.#leading = term.token;
      await Promise.all([this.#lead(term), this.#beOnDuty(term)]);
      this.#leading = undefined;
      log.info({ term: String(term.token) }, "no longer leading");
    }
  }

  async #lead(term: Term): Promise<void> {
    const { clock, log } = this.#deps;
    while (!term.signal.aborted) {
      try {
        await this.#round(term);
      } catch (error) {
        if (!term.signal.aborted && !isAway(error))
          log.error({ problem: messageOf(error) }, "leader's round failed");
      }
      await clock.sleep(ROUND_INTERVAL_MS, term.signal).catch(() => {});
    }
  }

  async #beOnDuty(term: Term): Promise<void> {
    const { duty, log } = this.#deps;
    try {
      await duty?.({ name: LEASE, token: term.token }, term);
    } catch (error) {
      if (!term.signal.aborted) log.error({ problem: messageOf(error) }, "leader's duty failed");
    }
  }

  async #round(term: Term): Promise<void> {
    const { registry, view, log } = this.#deps;
    const rows = await registry.run("node_statuses", nodeStatuses, term);
    for (const decision of decideStatuses(rows, view.nodes())) {
      const lease = { name: LEASE, token: term.token };
      const written = await registry.run(
        "node_mark",
        (sql) => markNode(sql, decision, lease),
        term,
      );
      const { id: nodeId, status } = decision;
      if (written) log.info({ nodeId, status }, "node's status recorded");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
  }
}
