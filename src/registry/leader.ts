import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { ClusterView } from "../core/ports.ts";
import type { Sql } from "./connect.ts";
import { isAway } from "./errors.ts";
import { decideStatuses } from "./leader-decisions.ts";
import type { Leases, Term } from "./leases.ts";
import { markNode, nodeStatuses } from "./nodes.ts";

export interface LeaderDeps {
  readonly registry: { readonly sql: Sql; readonly leases: Leases };
  readonly view: Pick<ClusterView, "self" | "nodes">;
  readonly clock: Clock;
  readonly log: Logger;
}

const LEASE = "leader";
const LEASE_TTL_MS = 10_000;
const ROUND_INTERVAL_MS = 2_000;

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

  async #run(): Promise<void> {
    const { registry, view, log } = this.#deps;
    const holder = view.self().name;
    const options = { holder, ttlMs: LEASE_TTL_MS };
    for await (const term of registry.leases.hold(LEASE, options, this.#stopping)) {
      log.info({ token: String(term.token) }, "leading");
      this.#leading = term.token;
      await this.#lead(term);
      this.#leading = undefined;
      log.info({ token: String(term.token) }, "no longer leading");
    }
  }

  async #lead(term: Term): Promise<void> {
    const { clock, log } = this.#deps;
    while (!term.signal.aborted) {
      try {
        await this.#round(term);
      } catch (error) {
        if (!isAway(error)) log.error({ problem: messageOf(error) }, "leader's round failed");
      }
      await clock.sleep(ROUND_INTERVAL_MS, term.signal).catch(() => {});
    }
  }

  async #round(term: Term): Promise<void> {
    const { registry, view, log } = this.#deps;
    const rows = await nodeStatuses(registry.sql);
    for (const decision of decideStatuses(rows, view.nodes())) {
      const lease = { name: LEASE, token: term.token };
      const written = await markNode(registry.sql, decision, lease);
      const { id: nodeId, status } = decision;
      if (written) log.info({ nodeId, status }, "node's status recorded");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
  }
}
