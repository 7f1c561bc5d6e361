import type { NodeId } from "../../core/node-id.ts";
import type { NodeHealth } from "../../core/node-view.ts";
import { type Random, sample } from "../../core/random.ts";
import type { HeartbeatRecord } from "../membership-records.ts";
import type { MemberView } from "./types.ts";

/** Far beyond what one gossip mesh carries; tombstones count. */
export const MEMBERS_MAX = 5_000;

export interface Suspicion {
  sinceMs: number;
  deadlineMs: number;
  nextProbeMs: number;
  /** Others who found it too, or said so. */
  readonly witnesses: Set<NodeId>;
  /** We have missed an answer ourselves. Nobody is failed on hearsay. */
  missed: boolean;
  /** Somebody has failed it already. */
  convicted: boolean;
  /** The connection to it was closed. */
  closed: boolean;
}

/** Mutable, and only `Membership` changes it. */
export interface Member {
  readonly node: NodeId;
  health: NodeHealth;
  incarnation: bigint;
  heartbeat: HeartbeatRecord;
  heardMs: number;
  connected: boolean;
  /** Its last connection was closed, and it has not answered since. */
  closed: boolean;
  suspicion: Suspicion | undefined;
  /** Since when it is a tombstone. */
  goneMs: number;
}

/** The nodes that have spoken, and the order in which they are probed. */
export class Members {
  readonly #random: Random;
  readonly #members = new Map<NodeId, Member>();
  readonly #suspects = new Set<Member>();
  #gone = 0;
  #round: Member[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  /** Alive and suspect ones, without us. */
  get liveCount(): number {
    return this.#members.size - this.#gone;
  }

  get isFull(): boolean {
    return this.#members.size >= MEMBERS_MAX;
  }

  get suspects(): ReadonlySet<Member> {
    return this.#suspects;
  }

  get(node: NodeId): Member | undefined {
    return this.#members.get(node);
  }

  all(): Iterable<Member> {
    return this.#members.values();
  }

  /** Undefined when there is no room, not even in place of a tombstone. */
  add(heartbeat: HeartbeatRecord, connected: boolean, nowMs: number): Member | undefined {
    if (this.isFull) return undefined;
    const member: Member = {
      node: heartbeat.node,
      health: "alive",
      incarnation: heartbeat.incarnation,
      heartbeat,
      heardMs: nowMs,
      connected,
      closed: false,
      suspicion: undefined,
      goneMs: 0,
    };
    this.#members.set(member.node, member);
    // Somewhere in the round that is under way, so that newcomers are not all probed first or last.
    const place = Math.floor(this.#random.next() * (this.#round.length + 1));
    this.#round.splice(place, 0, member);
    return member;
  }

  remove(member: Member): void {
    this.setHealth(member, "left");
    this.#members.delete(member.node);
    this.#gone--;
  }

  /** Of the tombstones the oldest. */
  oldestGone(): Member | undefined {
    let oldest: Member | undefined;
    for (const member of this.#members.values()) {
      if (isGone(member) && (!oldest || member.goneMs < oldest.goneMs)) oldest = member;
    }
    return oldest;
  }

  setHealth(member: Member, health: NodeHealth): void {
    const before = isGone(member);
    member.health = health;
    this.#gone += Number(isGone(member)) - Number(before);
    if (health === "suspect") this.#suspects.add(member);
    else {
      this.#suspects.delete(member);
      member.suspicion = undefined;
    }
  }

  /** Each live member once in every round, in an order shuffled for each (SWIM §4.3): that bounds the wait for a probe. */
  nextToProbe(): Member | undefined {
    for (let rounds = 0; rounds < 2; rounds++) {
      for (let next = this.#round.pop(); next; next = this.#round.pop()) {
        if (!isGone(next) && this.#members.get(next.node) === next) return next;
      }
      const live = [...this.#members.values()].filter((member) => !isGone(member));
      this.#round = sample(this.#random, live, live.length);
    }
    return undefined;
  }

  /** Healthy members that may probe another one for us, those we have a connection to before the others. */
  relays(target: NodeId, count: number): NodeId[] {
    const healthy: NodeId[] = [];
    const distant: NodeId[] = [];
    for (const { node, health, connected } of this.#members.values()) {
      if (health === "alive" && node !== target) (connected ? healthy : distant).push(node);
    }
    const near = sample(this.#random, healthy, count);
    return [...near, ...sample(this.#random, distant, count - near.length)];
  }
}

export function isGone(member: Member): boolean {
  return member.health === "failed" || member.health === "left";
}

export function viewOf(member: Member, nowMs: number): MemberView {
  const { node, health, incarnation, connected, heartbeat, heardMs } = member;
  const ageMs = Math.max(0, nowMs - heardMs);
  return { node, health, incarnation, connected, heartbeat, heardMs, ageMs };
}
