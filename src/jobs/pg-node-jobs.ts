import { PgBoss } from "pg-boss";
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Fence, KnownJob, NodeJob, NodeJobStore, NodeJobs, Refusal } from "../core/jobs.ts";
import type { Logger } from "../core/log.ts";
import { type NodeId, parseNodeId } from "../core/node-id.ts";
import type { Waiting } from "../core/ports.ts";
import type { Random } from "../core/random.ts";
import { retry } from "../core/retry.ts";
import type { JobMetrics } from "./job-metrics.ts";
import { parseNodeJob } from "./node-job.ts";
import { codeOf, problemOf, SCHEMA } from "./pg-boss-jobs.ts";

export interface PgNodeJobsDeps {
  readonly store: NodeJobStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** One for all that do jobs. */
  readonly metrics: JobMetrics;
}

export interface PgNodeJobsOptions {
  /** How often a node asks its queue, and whether what it does was called off. */
  readonly pollMs: number;
}

const PREFIX = "node.";
/** Jobs that have failed for good lie here, for people. */
const DEAD_LETTERS = "node-dead";
const CONCURRENCY = 2;
const DAY_SECONDS = 86_400;
const QUEUE = {
  policy: "exclusive",
  retryLimit: 5,
  retryDelay: 5,
  retryBackoff: true,
  retryDelayMax: 600,
  // The library's limit; a copy that takes longer goes on where it was.
  expireInSeconds: DAY_SECONDS - 1,
  // A node may be away for so long, and then still delete what was deleted.
  retentionSeconds: 60 * DAY_SECONDS,
  deleteAfterSeconds: DAY_SECONDS,
  deadLetter: DEAD_LETTERS,
};
const STOP_MS = 5_000;
const AGAIN = { firstMs: 1_000, maxMs: 10_000 };

interface Running {
  readonly abort: AbortController;
}

/** Queues by pg-boss, one for each node (`node.<peer id>`); jobs that are the same are one, by the library's `exclusive` policy. */
export class PgNodeJobs implements NodeJobs, AsyncDisposable {
  readonly #options: PgNodeJobsOptions;
  readonly #deps: PgNodeJobsDeps;
  readonly #metrics: JobMetrics;
  readonly #queues = new Set<string>();
  readonly #running = new Map<string, Running>();
  #boss: Promise<PgBoss> | undefined;

  constructor(options: PgNodeJobsOptions, deps: PgNodeJobsDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#metrics = deps.metrics;
  }

  async send(
    node: NodeId,
    job: NodeJob,
    o: Waiting & { readonly fence?: Fence },
  ): Promise<boolean> {
    const boss = await this.#queue(queueOf(node));
    const singletonKey = `${job.kind} ${job.model} ${job.name}`.slice(0, 255);
    const id = await boss.send(queueOf(node), job, { singletonKey, ...this.#fenced(o) });
    return id !== null;
  }

  async cancel(
    { id, node }: Pick<KnownJob, "id" | "node">,
    o: Waiting & { readonly fence: Fence },
  ): Promise<void> {
    const boss = await this.#queue(queueOf(node));
    await boss.cancel(queueOf(node), id, this.#fenced(o));
  }

  async list(o: Waiting): Promise<readonly KnownJob[]> {
    const rows = await this.#deps.store.jobsOf(PREFIX, o);
    return rows.flatMap(({ id, queue, state, data }) => {
      const node = parseNodeId(queue.slice(PREFIX.length));
      const job = parseNodeJob(data);
      return node && job ? [{ ...job, id, node, state }] : [];
    });
  }

  async serve(
    node: NodeId,
    work: (job: NodeJob, o: Waiting) => Promise<Refusal | undefined>,
    { signal }: Waiting,
  ): Promise<void> {
    const { store, clock } = this.#deps;
    const name = queueOf(node);
    const onFailure = (error: unknown): void =>
      this.#report(error, "this node's jobs are not served yet");
    try {
      const boss = await retry(() => this.#queue(name), AGAIN, {
        ...this.#deps,
        signal,
        onFailure,
      });
      await retry(() => store.resume(name, [], { signal }), AGAIN, {
        ...{ ...this.#deps, signal, onFailure },
      });
      const options = {
        pollingIntervalSeconds: this.#options.pollMs / 1_000,
        localConcurrency: CONCURRENCY,
      };
      await boss.work(name, options, async ([job]) =>
        job ? await this.#run(job.id, job.data, work, signal) : undefined,
      );
      let strangers: readonly string[] = [];
      while (!signal.aborted) {
        await clock.sleep(this.#options.pollMs, signal).catch(() => {});
        if (!signal.aborted) strangers = await this.#reconcile(name, strangers, signal);
      }
      await boss.offWork(name, { wait: false });
    } catch (error) {
      if (!signal.aborted) this.#report(error, "this node's jobs are served no more");
    }
    for (const { abort } of this.#running.values()) abort.abort();
    while (this.#running.size > 0) await clock.sleep(10, new AbortController().signal);
  }

  async #run(
    id: string,
    data: unknown,
    work: (job: NodeJob, o: Waiting) => Promise<Refusal | undefined>,
    signal: AbortSignal,
  ): Promise<Refusal | undefined> {
    const { clock, log } = this.#deps;
    const job = parseNodeJob(data);
    if (!job) return { refused: "this version cannot read the job" };
    const abort = new AbortController();
    this.#running.set(id, { abort });
    const done = this.#metrics.start(`node.${job.kind}`);
    const startedMs = clock.nowMs();
    const o = { signal: AbortSignal.any([signal, abort.signal]) };
    try {
      const refusal = await work(job, o);
      await this.#recordable(o);
      done("ok", clock.nowMs() - startedMs);
      return refusal;
    } catch (error) {
      done(o.signal.aborted ? "interrupted" : "failed", clock.nowMs() - startedMs);
      const { kind, name } = job;
      if (!o.signal.aborted) log.warn({ kind, name, problem: messageOf(error) }, "job failed");
      throw new Error(messageOf(error));
    } finally {
      this.#running.delete(id);
    }
  }

  /** What was done shall not be lost because the database is away for a while. */
  async #recordable({ signal }: Waiting): Promise<void> {
    await retry(() => this.#deps.store.execute("select 1", [], { signal }), AGAIN, {
      ...{ ...this.#deps, signal },
      onFailure: (error) => this.#report(error, "a job's end waits for the database"),
    });
  }

  /**
   * What was called off is aborted; not what begins while the database is asked, of which the answer may know nothing. What
   * counts as running here, and is not, is taken again: its end could not be recorded. Seen once, it may just have been taken;
   * so it is returned, and the second time it counts.
   */
  async #reconcile(
    name: string,
    before: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const { store } = this.#deps;
    const asked = [...this.#running];
    try {
      const rows = (await store.jobsOf(name, { signal })).filter(({ queue }) => queue === name);
      const active = new Set(rows.filter(({ state }) => state === "running").map(({ id }) => id));
      for (const [id, { abort }] of asked) if (!active.has(id)) abort.abort();
      const strangers = [...active].filter((id) => !this.#running.has(id));
      if (strangers.some((id) => before.includes(id))) {
        await store.resume(name, [...this.#running.keys()], { signal });
        return [];
      }
      return strangers;
    } catch (error) {
      if (!signal.aborted) this.#report(error, "this node's jobs could not be looked at");
      return before;
    }
  }

  async #queue(name: string): Promise<PgBoss> {
    this.#boss ??= this.#start().catch((error: unknown) => {
      this.#boss = undefined;
      throw error;
    });
    const boss = await this.#boss;
    if (this.#queues.has(name)) return boss;
    await boss.createQueue(DEAD_LETTERS, { retentionSeconds: 14 * DAY_SECONDS });
    await boss.createQueue(name, QUEUE);
    this.#queues.add(name);
    return boss;
  }

  async #start(): Promise<PgBoss> {
    const { store } = this.#deps;
    const { signal } = new AbortController();
    const boss = new PgBoss({
      db: { executeSql: (text, values = []) => store.execute(text, values, { signal }) },
      schema: SCHEMA,
      migrate: false,
      createSchema: false,
      // The leader does that for all queues.
      ...{ supervise: false, schedule: false, registerInstance: false },
      openTelemetry: { enabled: false },
    });
    boss.on("error", (error) => this.#report(error, "jobs' database refused"));
    boss.on("warning", ({ message }) => this.#deps.log.warn({ problem: message }, "jobs warn"));
    await boss.start();
    return boss;
  }

  #fenced(o: Waiting & { readonly fence?: Fence }) {
    const { store } = this.#deps;
    const { fence } = o;
    if (!fence) return {};
    const executeSql = (text: string, values: unknown[] = []) =>
      store.executeFenced(fence, text, values, o);
    return { db: { executeSql } };
  }

  /** A database that is away is told of where it is asked for. */
  #report(error: unknown, text: string): void {
    const away = codeOf(error) === "DB_UNREACHABLE" || codeOf(error) === "ABORT_ERR";
    this.#deps.log[away ? "debug" : "error"]({ problem: problemOf(error) }, text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const boss = await this.#boss?.catch(() => undefined);
    await boss
      ?.stop({ close: false, timeout: STOP_MS })
      .catch((error: unknown) => this.#report(error, "jobs did not stop in order"));
  }
}

function queueOf(node: NodeId): string {
  return PREFIX + node;
}
