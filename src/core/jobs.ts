import type { Waiting } from "./ports.ts";

/** Work that the database keeps until it is done. Owner: jobs. */
export interface Jobs {
  /**
   * Serves the queues until the signal aborts: puts a job into each when its schedule says so, and does what is in it, one
   * job of a queue at a time. While the database is away nothing comes. Never rejects; resolves once the last job has ended.
   */
  serve(queues: readonly Queue[], o: Waiting): Promise<void>;
}

export interface Queue {
  /** Letters, digits, '.', '-'. Of the code's choice: it is a metric's label. */
  readonly name: string;
  /** Cron, in UTC. Occurrences while nobody serves are left out. */
  readonly schedule: string;
  /** After the first: a job that rejects, or whose node dies, is done again, later each time. */
  readonly retriesMax: number;
  /** A job that takes longer counts as failed, and its signal aborts. */
  readonly durationMsMax: number;
  work(o: Waiting): Promise<void>;
}

/** The connections that jobs are kept over. Owner: registry. */
export interface JobStore {
  /** One statement with its values, or several without: all of them, or none. */
  execute(
    text: string,
    values: readonly unknown[],
    o: Waiting,
  ): Promise<{ readonly rows: Record<string, unknown>[] }>;
}

/** What the leader's statements carry, so that one that no longer leads changes nothing. */
export interface Fence {
  readonly name: string;
  readonly token: bigint;
}

/** A kind of rows that are no longer needed. Owner: registry. */
export interface Cleanup {
  readonly name: "requests" | "audit" | "nodes" | "replicas" | "keys";
  /** Removes some, and says how many; fewer than `rowsMax`: there are no more. */
  remove(fence: Fence, o: Waiting): Promise<number>;
  readonly rowsMax: number;
}
