import { createHash } from "node:crypto";
import type { ManifestDigest } from "../core/digest.ts";
import type { NodeId } from "../core/node-id.ts";
import type { RecordedReplica } from "../core/placement.ts";

/*
 * Which models to copy where, which copies to remove, and which jobs to call off.
 *
 * 1. A name stands for the manifest that most reachable nodes hold ready; copies are made of that one only.
 * 2. A replica counts when it is ready on a node that is reachable and does not drain. One on a node that is away counts too, for a
 *    grace that grows with its size: nodes that restart move nothing. So do copies that are queued or running.
 * 3. Too few: copies go to nodes that take any, hold nothing of that name, have not failed with it lately, and have room for it
 *    beside what is on its way there. A zone without a holder comes first, then the most room (in powers of two), then the
 *    fewest replicas, then a hash, so that any leader would choose the same.
 * 4. Models with the fewest replicas come first, then the smallest, for as long as the bytes on their way stay within the budget.
 *    One copy may always go.
 * 5. Too many: copies on their way are called off first. Then replicas go that the cluster itself has placed, never more than
 *    there are above what is wanted: loaded ones last, of two in a zone one first, then where there is the least room.
 * 6. A copy on its way is called off too when its name is gone or stands for another manifest, or when its node takes no more.
 */

export interface PlanNode {
  readonly id: NodeId;
  /** It answers, as far as anybody knows. */
  readonly reachable: boolean;
  /** It is to be emptied, or leaves. */
  readonly draining: boolean;
  /** How long it has been away, for as long as this leader leads; 0 while it is reachable. */
  readonly absentMs: number;
  readonly zone: string;
  readonly freeDiskBytes: number;
  readonly loaded: ReadonlySet<ManifestDigest>;
}

export type PlanReplica = RecordedReplica;

export interface PlanJob {
  readonly id: string;
  readonly node: NodeId;
  readonly kind: "copy" | "remove";
  readonly name: string;
  readonly model: ManifestDigest;
  readonly sizeBytes: number;
  /** Failed: not long ago. */
  readonly state: "queued" | "running" | "failed";
}

export interface PlanOptions {
  /** Of names that have no wish of their own. */
  readonly wanted: number;
  /** On their way at once, in the whole cluster. */
  readonly budgetBytes: number;
  readonly graceMs: number;
  /** Added to the grace: what it takes to copy the replica. */
  readonly graceBytesPerSecond: number;
}

export interface PlanInput {
  readonly nodes: readonly PlanNode[];
  readonly replicas: readonly PlanReplica[];
  readonly jobs: readonly PlanJob[];
  /** By name. */
  readonly wanted: ReadonlyMap<string, number | "all">;
  readonly options: PlanOptions;
}

export interface PlannedJob {
  readonly node: NodeId;
  readonly name: string;
  readonly model: ManifestDigest;
  readonly sizeBytes: number;
  readonly reason: string;
}

export interface Plan {
  readonly copies: readonly PlannedJob[];
  readonly removals: readonly PlannedJob[];
  readonly cancels: readonly { readonly job: PlanJob; readonly reason: string }[];
  /** Names that have fewer replicas than they should, whether or not anything can be done. */
  readonly below: readonly string[];
}

const NOBODY_HAS_IT = "nobody has the model any more";
const GIBIBYTE = 2 ** 30;
const HEADROOM_SHARE = 0.05;

/** What a node must have free to take a copy. */
export function neededBytes(sizeBytes: number): number {
  return sizeBytes + Math.max(sizeBytes * HEADROOM_SHARE, GIBIBYTE);
}

export function graceMs(sizeBytes: number, options: PlanOptions): number {
  return options.graceMs + (sizeBytes / options.graceBytesPerSecond) * 1_000;
}

export function planReplication(input: PlanInput): Plan {
  const state = new PlanState(input);
  const wishes = [...state.names()].sort().map((name) => state.judge(name));
  const gone = state.jobsOfNoName();
  const cancels = [...wishes.flatMap((wish) => wish.cancels), ...gone];
  const called = new Set(cancels.map(({ job }) => job.id));
  return {
    copies: state.place(wishes, called),
    removals: wishes.flatMap((wish) => wish.removals),
    cancels,
    below: wishes.filter(({ healthy, wanted }) => healthy < wanted).map(({ name }) => name),
  };
}

/** What is to be done for one name. */
interface Wish {
  readonly name: string;
  readonly model: ManifestDigest;
  readonly sizeBytes: number;
  readonly wanted: number;
  readonly healthy: number;
  /** Copies to place. */
  readonly missing: number;
  /** Where there is something of that name already, or will be. */
  readonly taken: ReadonlySet<NodeId>;
  readonly cancels: Plan["cancels"];
  readonly removals: readonly PlannedJob[];
}

class PlanState {
  readonly #input: PlanInput;
  readonly #nodes: ReadonlyMap<NodeId, PlanNode>;
  readonly #replicas: ReadonlyMap<string, readonly PlanReplica[]>;
  readonly #jobs: ReadonlyMap<string, readonly PlanJob[]>;

  constructor(input: PlanInput) {
    this.#input = input;
    this.#nodes = new Map(input.nodes.map((node) => [node.id, node]));
    this.#replicas = Map.groupBy(input.replicas, ({ name }) => name);
    this.#jobs = Map.groupBy(input.jobs, ({ name }) => name);
  }

  names(): Iterable<string> {
    return this.#replicas.keys();
  }

  jobsOfNoName(): Plan["cancels"] {
    return this.#input.jobs
      .filter(
        ({ kind, state, name }) =>
          kind === "copy" && state !== "failed" && !this.#replicas.has(name),
      )
      .map((job) => ({ job, reason: NOBODY_HAS_IT }));
  }

  judge(name: string): Wish {
    const all = this.#replicas.get(name) ?? [];
    const { model, sizeBytes } = this.#targetOf(all);
    const ofTarget = all.filter((replica) => replica.model === model);
    const isGone = all.every((replica) => replica.state === "syncing");
    const healthy = ofTarget.filter((replica) => this.#isHealthy(replica));
    const expected = ofTarget.filter((replica) => this.#isExpected(replica));
    const copies = (this.#jobs.get(name) ?? []).filter(
      ({ kind, state }) => kind === "copy" && state !== "failed",
    );
    const useless = copies.flatMap((job) => {
      const reason = isGone ? NOBODY_HAS_IT : this.#whyUseless(job, model, healthy);
      return reason === undefined ? [] : [{ job, reason }];
    });
    // One whose copy is there already ends by itself.
    const done = new Set(healthy.map(({ node }) => node));
    const useful = copies.filter(
      (job) => !done.has(job.node) && !useless.some((cancel) => cancel.job === job),
    );
    const wanted = this.#wantedOf(name, healthy);
    const present = healthy.length + expected.length;
    const spare = Math.max(0, Math.min(useful.length, present + useful.length - wanted));
    const spared = callable(useful).slice(0, spare);
    const hasSource = ofTarget.some(
      ({ node, state }) => state === "ready" && this.#nodes.get(node)?.reachable === true,
    );
    return {
      ...{ name, model, sizeBytes, wanted, healthy: healthy.length },
      missing: hasSource ? Math.max(0, wanted - present - useful.length) : 0,
      taken: new Set([
        ...all.map(({ node }) => node),
        ...copies.map(({ node }) => node),
        ...this.#failedWith(name, model),
      ]),
      cancels: [
        ...useless,
        ...spared.map((job) => ({ job, reason: "there are enough replicas without it" })),
      ],
      removals: useful.length > spare ? [] : this.#surplus(healthy, wanted),
    };
  }

  /** Copies for those who miss some, the neediest first, within the budget. */
  place(wishes: readonly Wish[], called: ReadonlySet<string>): PlannedJob[] {
    const { jobs, options } = this.#input;
    const onTheWay = jobs.filter(
      ({ id, kind, state }) => kind === "copy" && state !== "failed" && !called.has(id),
    );
    const room = new Room(this.#input, onTheWay);
    let bytes = onTheWay.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const planned: PlannedJob[] = [];
    const rounds = wishes
      .flatMap((wish) => Array.from({ length: wish.missing }, (_, nth) => ({ wish, nth })))
      .sort((a, b) => byNeed(a.wish, b.wish) || a.nth - b.nth);
    const taken = new Map(wishes.map((wish) => [wish.name, new Set(wish.taken)]));
    for (const { wish } of rounds) {
      const { name, model, sizeBytes } = wish;
      if (bytes > 0 && bytes + sizeBytes > options.budgetBytes) continue;
      const used = taken.get(name) ?? new Set();
      const node = room.best(wish, used, this.#zonesOf(wish, used));
      if (!node) continue;
      used.add(node.id);
      room.take(node.id, sizeBytes);
      bytes += sizeBytes;
      const reason = `${wish.healthy} of ${wish.wanted} replicas are there`;
      planned.push({ node: node.id, name, model, sizeBytes, reason });
    }
    return planned;
  }

  #targetOf(all: readonly PlanReplica[]): Pick<PlanReplica, "model" | "sizeBytes"> {
    const weight = (replicas: readonly PlanReplica[]): number =>
      replicas.reduce((sum, replica) => {
        const reachable = this.#nodes.get(replica.node)?.reachable === true;
        return sum + (replica.state === "ready" ? (reachable ? 1_000 : 1) : 0);
      }, 0);
    const versions = [...Map.groupBy(all, ({ model }) => model).values()];
    const [best = []] = versions.toSorted(
      (a, b) => weight(b) - weight(a) || ((a[0]?.model ?? "") < (b[0]?.model ?? "") ? -1 : 1),
    );
    const [replica] = best;
    if (!replica) throw new RangeError("a name has at least one replica");
    return replica;
  }

  #isHealthy({ node: id, state }: PlanReplica): boolean {
    const node = this.#nodes.get(id);
    return state === "ready" && node?.reachable === true && !node.draining;
  }

  /** On a node that is away, and may come back soon enough. */
  #isExpected({ node: id, state, sizeBytes }: PlanReplica): boolean {
    const node = this.#nodes.get(id);
    if (!node || node.reachable || state !== "ready") return false;
    return node.absentMs < graceMs(sizeBytes, this.#input.options);
  }

  #whyUseless(
    job: PlanJob,
    model: ManifestDigest,
    healthy: readonly PlanReplica[],
  ): string | undefined {
    if (job.model !== model) return "the name stands for another model now";
    if (healthy.some(({ node }) => node === job.node)) return undefined;
    const node = this.#nodes.get(job.node);
    if (!node) return "the node is gone";
    if (node.draining) return "the node is to be emptied";
    const isLost = !node.reachable && node.absentMs >= graceMs(job.sizeBytes, this.#input.options);
    return isLost ? "the node is away" : undefined;
  }

  #wantedOf(name: string, healthy: readonly PlanReplica[]): number {
    const wanted = this.#input.wanted.get(name) ?? this.#input.options.wanted;
    if (wanted !== "all") return wanted;
    const holders = new Set(healthy.map(({ node }) => node));
    return this.#input.nodes.filter((node) => takes(node) || holders.has(node.id)).length;
  }

  #failedWith(name: string, model: ManifestDigest): NodeId[] {
    return (this.#jobs.get(name) ?? [])
      .filter((job) => job.kind === "copy" && job.state === "failed" && job.model === model)
      .map(({ node }) => node);
  }

  #surplus(healthy: readonly PlanReplica[], wanted: number): PlannedJob[] {
    const count = healthy.length - wanted;
    if (count <= 0) return [];
    const zones = Map.groupBy(healthy, ({ node }) => this.#nodes.get(node)?.zone ?? "");
    const rank = ({ node: id, model }: PlanReplica): readonly number[] => {
      const node = this.#nodes.get(id);
      const isAlone = zones.get(node?.zone ?? "")?.length === 1;
      return [node?.loaded.has(model) ? 1 : 0, isAlone ? 1 : 0, node?.freeDiskBytes ?? 0];
    };
    return healthy
      .filter(({ placed }) => placed)
      .toSorted((a, b) => compare(rank(a), rank(b)) || (a.node < b.node ? -1 : 1))
      .slice(0, count)
      .map(({ node, name, model, sizeBytes }) => ({
        ...{ node, name, model, sizeBytes },
        reason: `${healthy.length} replicas are there, ${wanted} are wanted`,
      }));
  }

  #zonesOf({ name, model }: Wish, used: ReadonlySet<NodeId>): ReadonlySet<string> {
    const replicas = this.#replicas.get(name) ?? [];
    const holders = new Set(replicas.filter((r) => r.model === model).map(({ node }) => node));
    return new Set([...holders, ...used].map((id) => this.#nodes.get(id)?.zone ?? ""));
  }
}

/** What nodes can still take. */
class Room {
  readonly #nodes: readonly PlanNode[];
  readonly #reserved = new Map<NodeId, number>();
  readonly #counts = new Map<NodeId, number>();

  constructor({ nodes, replicas }: PlanInput, onTheWay: readonly PlanJob[]) {
    this.#nodes = nodes.filter(takes);
    for (const { node } of replicas) this.#counts.set(node, (this.#counts.get(node) ?? 0) + 1);
    for (const { node, sizeBytes } of onTheWay) this.take(node, sizeBytes);
  }

  take(node: NodeId, sizeBytes: number): void {
    this.#reserved.set(node, (this.#reserved.get(node) ?? 0) + sizeBytes);
    this.#counts.set(node, (this.#counts.get(node) ?? 0) + 1);
  }

  best(
    { model, sizeBytes }: Pick<Wish, "model" | "sizeBytes">,
    used: ReadonlySet<NodeId>,
    zones: ReadonlySet<string>,
  ): PlanNode | undefined {
    const rank = (node: PlanNode): readonly number[] => [
      zones.has(node.zone) ? 1 : 0,
      -Math.floor(Math.log2(Math.max(1, this.#freeBytes(node)))),
      this.#counts.get(node.id) ?? 0,
    ];
    const [best] = this.#nodes
      .filter((node) => !used.has(node.id) && this.#freeBytes(node) >= neededBytes(sizeBytes))
      .map((node) => ({ node, rank: rank(node), hash: hashOf(model, node.id) }))
      .sort((a, b) => compare(a.rank, b.rank) || (a.hash < b.hash ? -1 : 1));
    return best?.node;
  }

  #freeBytes({ id, freeDiskBytes }: PlanNode): number {
    return freeDiskBytes - (this.#reserved.get(id) ?? 0);
  }
}

function takes({ reachable, draining }: PlanNode): boolean {
  return reachable && !draining;
}

/** Those that have done the least work come first. */
function callable(jobs: readonly PlanJob[]): readonly PlanJob[] {
  const rank = ({ state }: PlanJob): number => (state === "queued" ? 0 : 1);
  return jobs.toSorted((a, b) => rank(a) - rank(b) || (a.id < b.id ? -1 : 1));
}

function byNeed(a: Wish, b: Wish): number {
  return (
    a.healthy - b.healthy ||
    a.sizeBytes - b.sizeBytes ||
    (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)
  );
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [index, value] of a.entries()) {
    const difference = value - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function hashOf(model: ManifestDigest, node: NodeId): string {
  return createHash("sha256").update(`${model}\n${node}`).digest("hex");
}
