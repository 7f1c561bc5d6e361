import type { Clock } from "../core/clock.ts";
import { type ManifestDigest, parseManifestDigest } from "../core/digest.ts";
import type { Distribution, RegistryRequest } from "../core/distribution.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import {
  type Changed,
  type CreateRequest,
  type Management,
  ManagementError,
  type ModelKeeper,
  type Progress,
  type Within,
} from "../core/management.ts";
import {
  formatFullName,
  formatShortName,
  type ModelName,
  parseModelName,
  sameName,
} from "../core/model-name.ts";
import type { NodeId } from "../core/node-id.ts";
import type { ClusterView, PeerStreams, ReplicaIndex, Waiting } from "../core/ports.ts";
import { ask } from "./ask.ts";
import type { Request } from "./wire.ts";

/** For nodes that are away: they find it when they return. Rejects when nothing can be kept for them now. */
export interface LaterRemovals {
  /** On every node on record as holding this, but those that are there; says which. */
  remove(name: ModelName, present: ReadonlySet<NodeId>, o: Waiting): Promise<readonly NodeId[]>;
}

export interface ClusterModelsDeps {
  readonly later: LaterRemovals;
  readonly log: Logger;
  readonly keeper: ModelKeeper;
  readonly distribution: Distribution;
  readonly view: Pick<ClusterView, "self" | "nodes">;
  readonly replicas: Pick<ReplicaIndex, "replicas">;
  readonly streams: Pick<PeerStreams, "open">;
  readonly clock: Clock;
}

/** Announcements take a few milliseconds; one that was lost is found with the next heartbeat. */
const SEEN_MS_MAX = 3_000;
const LOOK_MS = 10;
const SUCCESS = "success";

type Alone = Extract<Request, { readonly call: "copy" | "remove" }>;
type Told = Extract<Request, { readonly call: "create" | "pull" | "push" }>;

/**
 * Changes of models in the cluster: each node that has the model is told, and does it to its own store. Who has it is what the
 * replica index says. A node that is away is not waited for: its name is told.
 */
export class ClusterModels implements Management {
  readonly #deps: ClusterModelsDeps;

  constructor(deps: ClusterModelsDeps) {
    this.#deps = deps;
  }

  async copy(source: ModelName, to: ModelName, o: Within): Promise<Changed> {
    const destination = this.#spelled(to);
    const request: Alone = { call: "copy", source, destination };
    const changed = await this.#everywhere(request, source, o);
    if (!changed.found || o.local) return changed;
    const holders = this.#holders(source);
    await this.#removeStale(destination, holders, o);
    const { reachable } = this.#split(holders);
    await this.#seen(o, () =>
      reachable.every(
        (node) => this.#manifestAt(node, destination) === this.#manifestAt(node, source),
      ),
    );
    return changed;
  }

  remove(name: ModelName, o: Within): Promise<Changed> {
    return this.#everywhere({ call: "remove", name }, name, o);
  }

  async *create(asked: CreateRequest, o: Within): AsyncIterable<Progress> {
    const request = { ...asked, name: this.#spelled(asked.name) };
    const { from } = request;
    if (from && (await this.#holderOf(from, o)) === undefined) {
      for await (const line of this.pull({ name: from, insecure: false }, o)) {
        if (line.status !== SUCCESS) yield line;
      }
    }
    const place = await this.#placeOf(request, o);
    yield* this.#madeAt(place, { call: "create", request }, o);
  }

  async *pull(asked: RegistryRequest, o: Within): AsyncIterable<Progress> {
    const request = { ...asked, name: this.#spelled(asked.name) };
    // A holder that is away is no reason to refuse: the registry has it.
    const place = await this.#holderOf(request.name, { ...o, elseAway: "nobody" });
    yield* this.#madeAt(place ?? this.#self, { call: "pull", request }, o);
  }

  async *push(request: RegistryRequest, o: Within): AsyncIterable<Progress> {
    const place = await this.#holderOf(request.name, o);
    for await (const line of this.#linesAt(place ?? this.#self, { call: "push", request }, o)) {
      yield line.status === SUCCESS ? { status: SUCCESS } : line;
    }
  }

  /** As the cluster has it already: names that differ in casing alone are one, and shall not be listed as two. */
  #spelled(name: ModelName): ModelName {
    for (const { record } of this.#deps.replicas.replicas()) {
      const known = parseModelName(record.name);
      if (known && sameName(known, name)) return known;
    }
    return name;
  }

  get #self(): NodeId {
    return this.#deps.view.self().id;
  }

  /** The lines of a call that gives one node a new model; whoever has read the last one can use it. */
  async *#madeAt(place: NodeId, call: Told, o: Within): AsyncIterable<Progress> {
    const { name } = call.request;
    for await (const line of this.#linesAt(place, call, o)) {
      if (line.status !== SUCCESS) {
        yield line;
        continue;
      }
      // A pull says it with its algorithm, a create without.
      const manifest = parseManifestDigest(line.digest ?? "");
      if (!o.local) await this.#removeStale(name, this.#holders(name, manifest).add(place), o);
      await this.#seen(o, () => this.#manifestAt(place, name) === manifest);
      yield { status: SUCCESS };
    }
  }

  async *#linesAt(node: NodeId, call: Told, o: Waiting): AsyncIterable<Progress> {
    const { keeper, distribution } = this.#deps;
    if (node === this.#self) {
      yield* call.call === "create"
        ? keeper.create(call.request, o)
        : distribution[call.call](call.request, o);
      return;
    }
    for await (const reply of ask(this.#deps.streams, node, call, o)) {
      if (reply.reply === "progress") yield reply.progress;
    }
  }

  /** Who has it: this node first. Undefined when nobody does. */
  async #holderOf(
    name: ModelName,
    o: Within & { readonly elseAway?: "nobody" },
  ): Promise<NodeId | undefined> {
    if (await this.#deps.keeper.has(name, o)) return this.#self;
    if (o.local) return undefined;
    const { reachable, missed } = this.#split(this.#holders(name));
    const [node] = reachable.filter((holder) => holder !== this.#self);
    if (node === undefined && missed.length > 0 && !o.elseAway) throw away(name, missed);
    return node;
  }

  /** Here, unless somebody else has what it is made from. */
  async #placeOf({ from, files, adapters }: CreateRequest, o: Within): Promise<NodeId> {
    const node = from && (await this.#holderOf(from, o));
    if (!from || node === undefined || node === this.#self) return this.#self;
    if (Object.keys(files).length + Object.keys(adapters).length === 0) return node;
    throw new ManagementError(
      "NOT_POSSIBLE",
      `${formatShortName(from)} is not on this node, and the files for it are: send files and request to ${this.#nameOf(node)}`,
    );
  }

  async #everywhere(request: Alone, name: ModelName, o: Within): Promise<Changed> {
    const self = this.#self;
    if (o.local) return { found: await this.#at(self, request, o), missed: [] };
    const holders = this.#holders(name);
    // Its own store knows better than what was announced of it, damaged models too.
    const { reachable, missed } = this.#split(holders.add(self));
    const outcomes = await Promise.all(reachable.map((node) => this.#outcome(node, request, o)));
    o.signal.throwIfAborted();
    const failures = outcomes.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
    if (failures.length > 0) {
      const verb = request.call === "copy" ? "copied" : "deleted";
      const done = outcomes.filter(({ found }) => found).length;
      throw new ManagementError(
        "NODES_FAILED",
        `${formatShortName(name)} was ${verb} on ${done} of ${reachable.length} nodes: ${failures.join("; ")}`,
      );
    }
    const found = outcomes.some((outcome) => outcome.found);
    const left = request.call === "remove" ? await this.#removeLater(name, o) : [];
    if (!found && left.length === 0 && missed.length > 0) throw away(name, missed);
    if (found && request.call === "remove") {
      await this.#seen(o, () => reachable.every((node) => !this.#holders(name).has(node)));
    }
    return { found: found || left.length > 0, missed: [...new Set([...missed, ...left])] };
  }

  /** The names of those that are away and will do it when they return. */
  async #removeLater(name: ModelName, o: Waiting): Promise<readonly string[]> {
    const { later, log, view } = this.#deps;
    const present = view.nodes().filter(({ health }) => health === "alive" || health === "suspect");
    try {
      const nodes = await later.remove(name, new Set(present.map(({ id }) => id)), o);
      return nodes.map((node) => this.#nameOf(node));
    } catch (error) {
      o.signal.throwIfAborted();
      const problem = messageOf(error);
      log.warn(
        { model: formatFullName(name), problem },
        "nodes that are away will not learn of it",
      );
      return [];
    }
  }

  async #outcome(
    node: NodeId,
    request: Alone,
    o: Waiting,
  ): Promise<{ readonly found: boolean; readonly failure?: string }> {
    try {
      return { found: await this.#at(node, request, o) };
    } catch (error) {
      return { found: false, failure: `${this.#nameOf(node)}: ${messageOf(error)}` };
    }
  }

  async #at(node: NodeId, request: Alone, o: Waiting): Promise<boolean> {
    const { keeper, view } = this.#deps;
    if (node === view.self().id) {
      return request.call === "copy"
        ? keeper.copy(request.source, request.destination, o)
        : keeper.remove(request.name, o);
    }
    for await (const reply of ask(this.#deps.streams, node, request, o)) {
      if (reply.reply === "done") return reply.found;
    }
    throw new ManagementError("NODES_FAILED", "it ended without an answer");
  }

  /** One name shall not stand for two models. */
  async #removeStale(name: ModelName, fresh: ReadonlySet<NodeId>, o: Waiting): Promise<void> {
    const { reachable } = this.#split(this.#holders(name));
    const stale = reachable.filter((node) => !fresh.has(node));
    const request: Alone = { call: "remove", name };
    const outcomes = await Promise.all(stale.map((node) => this.#outcome(node, request, o)));
    o.signal.throwIfAborted();
    const failures = outcomes.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
    if (failures.length === 0) return;
    throw new ManagementError(
      "NODES_FAILED",
      `${formatShortName(name)} is made, and an older one of that name stays: ${failures.join("; ")}`,
    );
  }

  /** Of any model of that name, or of this one alone. */
  #holders(name: ModelName, manifest?: string): Set<NodeId> {
    const holders = new Set<NodeId>();
    for (const { record, holder } of this.#deps.replicas.replicas()) {
      const known = parseModelName(record.name);
      if (!known || !sameName(known, name)) continue;
      if (manifest === undefined || record.manifest === manifest) holders.add(holder.node);
    }
    return holders;
  }

  #manifestAt(node: NodeId, name: ModelName): ManifestDigest | undefined {
    const same = this.#deps.replicas.replicas().find(({ record, holder }) => {
      const known = parseModelName(record.name);
      return holder.node === node && known !== undefined && sameName(known, name);
    });
    return same?.record.manifest;
  }

  #split(nodes: ReadonlySet<NodeId>): {
    readonly reachable: readonly NodeId[];
    readonly missed: readonly string[];
  } {
    const reachable: NodeId[] = [];
    const missed: string[] = [];
    for (const id of nodes) {
      const health = this.#deps.view.nodes().find((node) => node.id === id)?.health;
      // Who has announced a model and not yet itself has only just come.
      if (health === undefined || health === "alive" || health === "suspect") reachable.push(id);
      else missed.push(this.#nameOf(id));
    }
    return { reachable, missed };
  }

  #nameOf(id: NodeId): string {
    return this.#deps.view.nodes().find((node) => node.id === id)?.name ?? id;
  }

  /** What was done is announced; whoever asks this node next shall see it. Not for ever: it is done all the same. */
  async #seen({ signal }: Waiting, isSeen: () => boolean): Promise<void> {
    const { clock } = this.#deps;
    const untilMs = clock.nowMs() + SEEN_MS_MAX;
    while (!isSeen() && clock.nowMs() < untilMs) await clock.sleep(LOOK_MS, signal);
  }
}

function away(name: ModelName, missed: readonly string[]): ManagementError {
  return new ManagementError(
    "NODES_FAILED",
    `only nodes that are away have ${formatFullName(name)}: ${missed.join(", ")}`,
  );
}
