import type { NodeId } from "../core/node-id.ts";
import type { NodeHealth } from "../core/node-view.ts";
import type { NodeChange } from "../core/ports.ts";
import { type Random, sample } from "../core/random.ts";
import type { UpdateRecord } from "./membership-records.ts";

/** What detection knows of a node. Times are of our own clock. */
export interface Member {
  readonly node: NodeId;
  health: NodeHealth;
  incarnation: bigint;
  heardMs: number;
  multiaddrs: readonly string[];
  /** When a suspicion becomes a failure, or a tombstone is forgotten. */
  deadlineMs: number;
  probing: boolean;
}

export type DetectorEvent =
  | { readonly type: "tick"; readonly latenessMs: number }
  /** Its own heartbeat, or tokens it just served. */
  | {
      readonly type: "heard";
      readonly node: NodeId;
      readonly incarnation?: bigint;
      readonly multiaddrs?: readonly string[];
    }
  | { readonly type: "update"; readonly update: UpdateRecord }
  | { readonly type: "acked"; readonly node: NodeId; readonly incarnation: bigint }
  | { readonly type: "missed"; readonly node: NodeId; readonly stage: "direct" | "indirect" }
  /** A closed connection, a failed or stalled request: worth a look at once. */
  | { readonly type: "doubted"; readonly node: NodeId }
  | { readonly type: "leave" };

export type DetectorEffect =
  | {
      readonly type: "ping";
      readonly node: NodeId;
      readonly timeoutMs: number;
      readonly about?: UpdateRecord;
    }
  | {
      readonly type: "pingThrough";
      readonly node: NodeId;
      readonly relays: readonly NodeId[];
      readonly timeoutMs: number;
    }
  | { readonly type: "gossip"; readonly update: UpdateRecord }
  /** Our incarnation has risen: say so at once. */
  | { readonly type: "refuted" }
  | { readonly type: "changed"; readonly node: NodeId; readonly kind: NodeChange["kind"] }
  | { readonly type: "forgotten"; readonly node: NodeId };

const PROBE_INTERVAL_MS = 1_000;
const PROBE_TIMEOUT_MS = 500;
const RELAYS = 3;
const SUSPICION_MS = 1_500;
const TOMBSTONE_MS = 600_000;
const MEMBERS_MAX = 4_096;
const PATIENCE_MAX = 8;
/** An event loop that is later than this cannot tell a slow peer from its own slowness. */
const LATE_MS = 250;

/**
 * Who is alive, after SWIM (Das, Gupta, Motivala 2002) with the local health of Lifeguard (Dadgar, Phillips, Currey 2018).
 *
 * 1. Each second a member is probed, in a shuffled round; a miss asks three others to probe it.
 * 2. When they miss it too it is suspect, which is gossiped; the suspect refutes by raising its incarnation.
 * 3. A suspicion that nobody refutes in time becomes a failure. Failed and left members stay as tombstones for a while.
 * 4. Our own lateness and misses stretch our timeouts before anybody is accused.
 */
export class FailureDetector {
  readonly #self: NodeId;
  readonly #random: Random;
  readonly #members = new Map<NodeId, Member>();
  #round: NodeId[] = [];
  #incarnation: bigint;
  #nextProbeMs = 0;
  #patience = 0;
  #leaving = false;

  constructor(self: NodeId, boot: bigint, random: Random) {
    this.#self = self;
    this.#random = random;
    this.#incarnation = boot << 32n;
  }

  get incarnation(): bigint {
    return this.#incarnation;
  }

  members(): Iterable<Member> {
    return this.#members.values();
  }

  member(node: NodeId): Member | undefined {
    return this.#members.get(node);
  }

  handle(event: DetectorEvent, nowMs: number): readonly DetectorEffect[] {
    switch (event.type) {
      case "tick":
        return this.#tick(event.latenessMs, nowMs);
      case "heard":
        return this.#heard(event.node, event.incarnation, event.multiaddrs, nowMs);
      case "acked":
        return this.#acked(event.node, event.incarnation, nowMs);
      case "missed":
        return this.#missed(event.node, event.stage, nowMs);
      case "update":
        return this.#update(event.update, nowMs);
      case "doubted":
        return this.#probe(this.#members.get(event.node));
      case "leave":
        this.#leaving = true;
        return [{ type: "gossip", update: this.#about(this.#self, "left", this.#incarnation) }];
    }
  }

  #tick(latenessMs: number, nowMs: number): readonly DetectorEffect[] {
    if (latenessMs > LATE_MS) {
      this.#patience = Math.min(PATIENCE_MAX, this.#patience + 1);
      for (const member of this.#members.values()) member.deadlineMs += latenessMs;
    }
    const effects: DetectorEffect[] = [];
    for (const member of this.#members.values()) {
      if (member.health === "alive" || nowMs < member.deadlineMs) continue;
      if (member.health === "suspect") effects.push(...this.#set(member, "failed", nowMs));
      else {
        this.#members.delete(member.node);
        effects.push({ type: "forgotten", node: member.node });
      }
    }
    if (nowMs < this.#nextProbeMs) return effects;
    this.#nextProbeMs = nowMs + PROBE_INTERVAL_MS;
    return [...effects, ...this.#probe(this.#nextInRound())];
  }

  #nextInRound(): Member | undefined {
    for (let tries = 0; tries < 2; tries++) {
      for (let node = this.#round.pop(); node; node = this.#round.pop()) {
        const member = this.#members.get(node);
        if (member && isThere(member)) return member;
      }
      this.#round = sample(this.#random, [...this.#members.keys()], this.#members.size);
    }
    return undefined;
  }

  #probe(member: Member | undefined): readonly DetectorEffect[] {
    if (!member || member.probing || this.#leaving || member.health === "left") return [];
    member.probing = true;
    const { node, health, incarnation } = member;
    const about = health === "alive" ? {} : { about: this.#about(node, health, incarnation) };
    return [{ type: "ping", node, timeoutMs: this.#timeoutMs(), ...about }];
  }

  #missed(node: NodeId, stage: "direct" | "indirect", nowMs: number): readonly DetectorEffect[] {
    const member = this.#members.get(node);
    if (!member?.probing) return [];
    const others = [...this.#members.values()].filter(
      (other) => other.health === "alive" && other.node !== node,
    );
    if (stage === "direct" && others.length > 0) {
      const relays = sample(this.#random, others, RELAYS).map((other) => other.node);
      return [{ type: "pingThrough", node, relays, timeoutMs: this.#timeoutMs() }];
    }
    member.probing = false;
    if (member.health === "alive") return this.#set(member, "suspect", nowMs);
    return [];
  }

  #acked(node: NodeId, incarnation: bigint, nowMs: number): readonly DetectorEffect[] {
    this.#patience = Math.max(0, this.#patience - 1);
    const member = this.#members.get(node);
    if (member) member.probing = false;
    return this.#heard(node, incarnation, undefined, nowMs);
  }

  #heard(
    node: NodeId,
    incarnation: bigint | undefined,
    multiaddrs: readonly string[] | undefined,
    nowMs: number,
  ): readonly DetectorEffect[] {
    if (node === this.#self) return [];
    const member = this.#members.get(node);
    if (!member) {
      if (incarnation === undefined) return [];
      return this.#add(this.#about(node, "alive", incarnation, multiaddrs), nowMs);
    }
    if (incarnation !== undefined && incarnation < member.incarnation) return [];
    if (multiaddrs) member.multiaddrs = multiaddrs;
    const isNews = (incarnation ?? 0n) > member.incarnation;
    if (member.health === "left" && !isNews) return [];
    member.heardMs = nowMs;
    member.incarnation = incarnation ?? member.incarnation;
    if (member.health === "alive") return [];
    // It must refute a failure for everyone; a mere suspicion is over for us once it has spoken to us.
    if (member.health === "failed" && !isNews) return this.#probe(member);
    const kind = member.health === "suspect" ? "changed" : "joined";
    member.health = "alive";
    return [{ type: "changed", node, kind }];
  }

  #update(update: UpdateRecord, nowMs: number): readonly DetectorEffect[] {
    if (update.node === this.#self) return this.#refute(update);
    const member = this.#members.get(update.node);
    if (!member) {
      return update.health === "alive" || update.health === "suspect"
        ? this.#add(update, nowMs)
        : [];
    }
    if (!overrides(update, member)) return [];
    const isNews = update.incarnation > member.incarnation;
    member.incarnation = update.incarnation;
    if (update.health !== "alive") return this.#set(member, update.health, nowMs, false);
    const kind = isThere(member) ? "changed" : "joined";
    member.health = "alive";
    member.heardMs = isNews ? nowMs : member.heardMs;
    return [{ type: "changed", node: member.node, kind }];
  }

  #refute({ health, incarnation }: UpdateRecord): readonly DetectorEffect[] {
    if (this.#leaving || health === "alive" || incarnation < this.#incarnation) return [];
    this.#incarnation = incarnation + 1n;
    // Somebody thinks we are dead: perhaps it is we who are slow.
    this.#patience = Math.min(PATIENCE_MAX, this.#patience + 1);
    return [{ type: "refuted" }];
  }

  #add(update: UpdateRecord, nowMs: number): readonly DetectorEffect[] {
    if (this.#members.size >= MEMBERS_MAX) return [];
    const { node, incarnation, multiaddrs } = update;
    const member: Member = {
      node,
      health: "alive",
      incarnation,
      heardMs: nowMs,
      multiaddrs,
      deadlineMs: 0,
      probing: false,
    };
    this.#members.set(node, member);
    const joined: DetectorEffect = { type: "changed", node, kind: "joined" };
    if (update.health === "alive") return [joined];
    return [joined, ...this.#set(member, update.health, nowMs, false)];
  }

  #set(
    member: Member,
    health: "suspect" | "failed" | "left",
    nowMs: number,
    tell = true,
  ): readonly DetectorEffect[] {
    member.health = health;
    const scale = Math.max(1, Math.log10(this.#members.size + 1));
    member.deadlineMs =
      nowMs + (health === "suspect" ? SUSPICION_MS * scale * (1 + this.#patience) : TOMBSTONE_MS);
    const { node, incarnation, multiaddrs } = member;
    const changed: DetectorEffect = { type: "changed", node, kind: health };
    if (!tell) return [changed];
    return [changed, { type: "gossip", update: { node, health, incarnation, multiaddrs } }];
  }

  #timeoutMs(): number {
    return PROBE_TIMEOUT_MS * (1 + this.#patience);
  }

  #about(
    node: NodeId,
    health: NodeHealth,
    incarnation: bigint,
    multiaddrs: readonly string[] = [],
  ): UpdateRecord {
    return { node, health, incarnation, multiaddrs };
  }
}

function isThere({ health }: Member): boolean {
  return health === "alive" || health === "suspect";
}

const RANK = { alive: 0, suspect: 1, failed: 2, left: 3 } as const satisfies Record<
  NodeHealth,
  number
>;

/** The higher incarnation wins; of the same one, the worse news. Only the node itself makes its news better. */
function overrides(update: UpdateRecord, member: Member): boolean {
  if (update.incarnation !== member.incarnation) return update.incarnation > member.incarnation;
  return RANK[update.health] > RANK[member.health];
}
