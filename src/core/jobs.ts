import type { ManifestDigest } from "./digest.ts";
import type { NodeId } from "./node-id.ts";
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

/** Work for one node. Done twice it changes nothing more. */
export interface NodeJob {
  readonly kind: "copy" | "remove";
  /** The full reference. */
  readonly name: string;
  readonly model: ManifestDigest;
  readonly sizeBytes: number;
  /** For people. */
  readonly reason: string;
}

export interface KnownJob extends NodeJob {
  readonly id: string;
  readonly node: NodeId;
  /** Failed: in the last quarter of an hour, for good. */
  readonly state: "queued" | "running" | "failed";
}

/** A failure that trying again on the same node will not mend. */
export interface Refusal {
  readonly refused: string;
}

/** A queue for each node, which the database keeps. Owner: jobs. */
export interface NodeJobs {
  /** False: the same work waits or runs there already. With a fence whose term is over it rejects, and sends nothing. */
  send(node: NodeId, job: NodeJob, o: Waiting & { readonly fence?: Fence }): Promise<boolean>;
  cancel(job: Pick<KnownJob, "id" | "node">, o: Waiting & { readonly fence: Fence }): Promise<void>;
  list(o: Waiting): Promise<readonly KnownJob[]>;
  /**
   * Does this node's jobs until the signal aborts. What was under way when the process died comes again at once. A job that is
   * called off aborts its work's signal. Without a database the work goes on, and what came of it is recorded later. Never rejects.
   */
  serve(
    node: NodeId,
    work: (job: NodeJob, o: Waiting) => Promise<Refusal | undefined>,
    o: Waiting,
  ): Promise<void>;
}

/** What is kept of jobs beside what the library keeps. Owner: registry. */
export interface NodeJobStore extends JobStore {
  /** As `execute`, in a transaction that ends without effect once the fence's term is over. */
  executeFenced(
    fence: Fence,
    text: string,
    values: readonly unknown[],
    o: Waiting,
  ): Promise<{ readonly rows: Record<string, unknown>[] }>;
  /** Jobs of queues with this prefix that wait or run, or failed not long ago. */
  jobsOf(prefix: string, o: Waiting): Promise<readonly JobRow[]>;
  /** Lets a queue's jobs that count as running, and those that wait to be tried again, be taken at once; but not these. */
  resume(queue: string, except: readonly string[], o: Waiting): Promise<void>;
}

export interface JobRow {
  readonly id: string;
  readonly queue: string;
  readonly state: "queued" | "running" | "failed";
  readonly data: unknown;
}
