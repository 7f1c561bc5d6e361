import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { Metrics } from "../core/metrics.ts";
import type { Waiting } from "../core/ports.ts";
import type { Random } from "../core/random.ts";
import { retry } from "../core/retry.ts";
import { clusterKeys, deniedNodes } from "./cluster-settings.ts";
import { connect, disconnect, type Sql } from "./connect.ts";
import { isAway, RegistryError, toRegistryError } from "./errors.ts";
import { Leases } from "./leases.ts";
import { checkSchema, migrate } from "./migrate.ts";
import { recentModelChanges } from "./model-changes.ts";
import { livePeers, type PeerAddress } from "./nodes.ts";
import type { RegistryOptions } from "./options.ts";
import { type Database, Pool } from "./pool.ts";
import type { StatementName } from "./statements.ts";

export interface RegistryDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics?: Metrics;
}

const RETRY = { firstMs: 500, maxMs: 10_000 };

/** The database that the cluster shares. Its tables' statements stand in one file a table, and take `sql`. */
export class Registry implements Database, AsyncDisposable {
  readonly leases: Leases;
  readonly #options: RegistryOptions;
  readonly #deps: RegistryDeps;
  readonly #pool: Pool;
  readonly #closing = new AbortController();
  #ready = false;
  #preparing: Promise<void> = Promise.resolve();

  private constructor(options: RegistryOptions, deps: RegistryDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#pool = new Pool(options, deps);
    this.leases = new Leases(this, deps);
  }

  /** Connects and brings the schema up to date (or checks it). Rejects with a RegistryError. */
  static async open(options: RegistryOptions, deps: RegistryDeps): Promise<Registry> {
    const registry = new Registry(options, deps);
    try {
      await registry.#prepare();
    } catch (error) {
      if (options.whenUnreachable === "fail" || !isAway(error)) {
        await registry[Symbol.asyncDispose]();
        throw error;
      }
      deps.log.warn({ problem: messageOf(error) }, "registry is away; going on without it");
      registry.#preparing = registry.#prepareLater();
    }
    return registry;
  }

  /** True once the database was reached and its schema was right. */
  ready(): boolean {
    return this.#ready;
  }

  /** Whether it is ready and answered when it was last asked, which every node does each second. */
  get reachable(): boolean {
    return this.#ready && this.#pool.reachable;
  }

  /** The connections of now, for one or a few statements. */
  get sql(): Sql {
    return this.#pool.sql;
  }

  async run<T>(
    statement: StatementName,
    action: (sql: Sql) => PromiseLike<T>,
    o?: Waiting,
  ): Promise<T> {
    return await this.#pool.run(statement, action, o);
  }

  /** Rejects with DB_UNREACHABLE unless the database answers. */
  async ping(): Promise<void> {
    await this.run("ping", (sql) => sql`select 1`);
  }

  async clusterKeys(o: Waiting): Promise<readonly string[]> {
    return await this.run("cluster_keys", clusterKeys, o);
  }

  async deniedNodes(o: Waiting): Promise<readonly string[]> {
    return await this.run("denied_nodes", deniedNodes, o);
  }

  async recentModelChanges(o: Waiting): Promise<readonly string[]> {
    return await this.run("model_changes", recentModelChanges, o);
  }

  /** Where the mesh looks for peers. */
  async livePeers(o: Waiting): Promise<readonly PeerAddress[]> {
    if (!this.#ready)
      throw new RegistryError("DB_UNREACHABLE", "the registry has not been reached yet");
    return await this.run("live_peers", livePeers, o);
  }

  /** On a connection of its own: another node may be migrating for longer than a statement may usually take. */
  async #prepare(): Promise<void> {
    const sql = connect({ ...this.#options, connectionsMax: 1, statementTimeoutMs: 0 });
    const end = (): Promise<void> => disconnect(sql);
    this.#closing.signal.addEventListener("abort", end, { once: true });
    try {
      if (this.#options.migrate) {
        const applied = await migrate(sql);
        if (applied.length > 0) this.#deps.log.info({ applied }, "registry schema migrated");
      } else await checkSchema(sql);
      this.#ready = true;
    } catch (error) {
      throw toRegistryError(error, this.#options);
    } finally {
      this.#closing.signal.removeEventListener("abort", end);
      await end();
    }
  }

  async #prepareLater(): Promise<void> {
    const { signal } = this.#closing;
    try {
      await retry(
        async () => {
          try {
            await this.#prepare();
          } catch (error) {
            // A schema that is not ours will not become ours by asking again often.
            if (!isAway(error) && !signal.aborted)
              this.#deps.log.error({ problem: messageOf(error) }, "registry refused");
            throw error;
          }
        },
        RETRY,
        { ...this.#deps, signal },
      );
      this.#deps.log.info({}, "registry is back");
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#preparing;
    await this.#pool[Symbol.asyncDispose]();
  }
}
