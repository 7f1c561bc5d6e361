import type { ManifestDigest } from "../../core/digest.ts";
import type { ModelRecord } from "../../core/model.ts";
import type { NodeId } from "../../core/node-id.ts";
import type { Holder, KnownModel, LocalReplicaChange } from "../../core/ports.ts";
import type { Random } from "../../core/random.ts";
import { backoffMs } from "../../core/retry.ts";
import type { ReplicaList } from "../replica-lists.ts";
import type { AnnouncementRecord } from "../replica-records.ts";
import { MEMBERS_MAX } from "./members.ts";
import { apply, type NodeReplicas, nameOf, replaced } from "./node-replicas.ts";
import { holdersIn, modelsIn, replicasIn } from "./replica-queries.ts";

export interface ReplicaTableOptions {
  /** Of our empty list. The boot number in its upper half keeps versions growing over restarts. */
  readonly version: bigint;
}

export interface ReplicaTableDeps {
  readonly self: NodeId;
  readonly random: Random;
}

/** How far we are with another node's list. */
interface Knowledge {
  /** Of the list that we have; undefined before the first one. */
  version: bigint | undefined;
  /** The newest that we have heard of. */
  heardVersion: bigint;
  /** Somebody found the list wrong. */
  doubted: boolean;
  fetching: boolean;
  failures: number;
  nextTryMs: number;
}

const FETCHES_MAX = 8;
const FETCH_BACKOFF = { firstMs: 200, maxMs: 10_000 };

/**
 * Who holds what. Each node is the one writer of its own list, and each change raises the list's version by one. So an
 * announcement either is the next one and is applied, or is old and means nothing, or shows that one before it was missed:
 * then, as when a heartbeat tells of a newer version, the node's whole list is fetched. A lost message cannot stay lost.
 *
 * The driver asks `toFetch` after what it told, and at `nextFetchMs`.
 */
export class ReplicaTable {
  readonly #self: NodeId;
  readonly #random: Random;
  readonly #own: NodeReplicas = new Map();
  /** Of all nodes, ours included. */
  readonly #lists = new Map<NodeId, NodeReplicas>();
  readonly #others = new Map<NodeId, Knowledge>();
  #version: bigint;

  constructor({ version }: ReplicaTableOptions, { self, random }: ReplicaTableDeps) {
    this.#self = self;
    this.#random = random;
    this.#version = version;
    this.#lists.set(self, this.#own);
  }

  /** Of our own list: heartbeats carry it. */
  get version(): bigint {
    return this.#version;
  }

  holders(manifest: ManifestDigest, nowMs: number): readonly Holder[] {
    return holdersIn(this.#lists, manifest, nowMs);
  }

  models(nowMs: number): readonly KnownModel[] {
    return modelsIn(this.#lists, this.#self, nowMs);
  }

  replicas(nowMs: number): readonly { readonly record: ModelRecord; readonly holder: Holder }[] {
    return replicasIn(this.#lists, nowMs);
  }

  ownList(): ReplicaList {
    const replicas = Array.from(this.#own.values(), ({ record, state }) => ({ record, state }));
    return { version: this.#version, replicas };
  }

  /** Our own change, and how to tell of it; undefined when it changes nothing, or when there is no room. */
  announce(change: LocalReplicaChange, nowMs: number): AnnouncementRecord | undefined {
    const before = this.#own.get(nameOf(change));
    if (change.state === "removed" ? !before : before?.state === change.state) {
      const isSame = change.state === "removed" || sameText(before?.record, change.record);
      if (isSame) return undefined;
    }
    if (!apply(this.#own, change, nowMs)) return undefined;
    this.#version++;
    return { node: this.#self, version: this.#version, change };
  }

  take({ node, version, change }: AnnouncementRecord, nowMs: number): void {
    const known = this.#know(node);
    if (!known) return;
    if (known.version !== undefined && version === known.version + 1n) {
      apply(this.#listOf(node), change, nowMs);
      known.version = version;
    }
    this.#hear(known, version);
  }

  /** From a heartbeat. */
  heard(node: NodeId, version: bigint): void {
    const known = this.#know(node);
    if (known) this.#hear(known, version);
  }

  doubt(node: NodeId): void {
    const known = this.#others.get(node);
    if (known) known.doubted = true;
  }

  /** It is gone, and with it what it held. When it comes back, its list is fetched anew. */
  forget(node: NodeId): void {
    if (node === this.#self) return;
    this.#others.delete(node);
    this.#lists.delete(node);
  }

  /** Nodes whose lists are to be fetched now: each is taken to be under way until `fetched` or `notFetched`. */
  toFetch(nowMs: number): NodeId[] {
    let underWay = 0;
    for (const { fetching } of this.#others.values()) underWay += Number(fetching);
    const nodes: NodeId[] = [];
    for (const [node, known] of this.#others) {
      if (underWay + nodes.length >= FETCHES_MAX) break;
      if (known.fetching || !isWanting(known) || known.nextTryMs > nowMs) continue;
      known.fetching = true;
      known.doubted = false;
      nodes.push(node);
    }
    return nodes;
  }

  nextFetchMs(): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const known of this.#others.values()) {
      if (!known.fetching && isWanting(known)) nextMs = Math.min(nextMs, known.nextTryMs);
    }
    return nextMs;
  }

  fetched(node: NodeId, list: ReplicaList, nowMs: number): void {
    const known = this.#others.get(node);
    if (!known?.fetching) return;
    known.fetching = false;
    known.failures = 0;
    known.nextTryMs = nowMs;
    // Announcements that came while the list was under way may have overtaken it.
    if (known.version !== undefined && list.version < known.version) return;
    known.version = list.version;
    this.#lists.set(node, replaced(this.#listOf(node), list.replicas, nowMs));
    this.#hear(known, list.version);
  }

  notFetched(node: NodeId, nowMs: number): void {
    const known = this.#others.get(node);
    if (!known?.fetching) return;
    known.fetching = false;
    known.doubted = true;
    known.failures++;
    known.nextTryMs = nowMs + backoffMs(FETCH_BACKOFF, known.failures, this.#random);
  }

  #listOf(node: NodeId): NodeReplicas {
    return this.#lists.get(node) ?? new Map();
  }

  #hear(known: Knowledge, version: bigint): void {
    if (version > known.heardVersion) known.heardVersion = version;
  }

  #know(node: NodeId): Knowledge | undefined {
    if (node === this.#self) return undefined;
    const known = this.#others.get(node);
    if (known || this.#others.size >= MEMBERS_MAX) return known;
    const stranger: Knowledge = {
      version: undefined,
      heardVersion: 0n,
      doubted: false,
      fetching: false,
      failures: 0,
      nextTryMs: 0,
    };
    this.#others.set(node, stranger);
    this.#lists.set(node, new Map());
    return stranger;
  }
}

function isWanting({ version, heardVersion, doubted }: Knowledge): boolean {
  return doubted || version === undefined || version < heardVersion;
}

function sameText(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
