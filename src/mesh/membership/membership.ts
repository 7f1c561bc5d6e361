import type { NodeId } from "../../core/node-id.ts";
import type { NodeHealth } from "../../core/node-view.ts";
import type { Random } from "../../core/random.ts";
import type { HeartbeatRecord, UpdateRecord } from "../membership-records.ts";
import { Awareness } from "./awareness.ts";
import { isGone, MEMBERS_MAX, type Member, Members, viewOf } from "./members.ts";
import { Probes } from "./probes.ts";
import { tellsNews } from "./tells-news.ts";
import type { Effect, MembershipEvent, MemberView } from "./types.ts";
import { Verdicts } from "./verdicts.ts";

export interface MembershipOptions {
  /** The boot number in the upper half: what we say after a restart beats what is remembered from before. */
  readonly incarnation: bigint;
}

export interface MembershipDeps {
  readonly self: NodeId;
  readonly random: Random;
}

const PROBE_INTERVAL_MS = 1_000;
/** How soon a suspect is asked again. */
const SUSPECT_PROBE_INTERVAL_MS = 300;
const PATROL_INTERVAL_MS = 250;
/** Heartbeats come four to a time to live: this is one and a half of their intervals. */
const OVERDUE_TTL_SHARE = 0.37;
const OVERDUE_PROBES_MAX = 16;
/** Who leaves has nothing more to do; a timer cannot wait for ever. */
const IDLE_MS = 60_000;
/** Timers are this late on any busy machine: nothing to forgive. */
const LATE_MS_MIN = 100;
/** An incarnation near the end of its 64 bits is nobody's. */
const INCARNATION_MAX = 2n ** 63n;

/**
 * Who is there: SWIM (Das, Gupta, Motivala 2002) with Lifeguard (Dadgar, Phillips, Currey 2018), as a state machine.
 *
 * 1. Each second the next member of a shuffled round is asked. A miss asks three others to ask it; then it is suspect.
 * 2. A suspect is asked again and again, and is told of the suspicion. A higher incarnation, a fresh heartbeat or an
 *    answer, to us or through a relay, ends it; else it has failed once its time is over. The more nodes find the same,
 *    the shorter that time.
 * 3. Nobody is failed on hearsay: each node looks for itself before it passes the verdict.
 * 4. What looks wrong is asked at once: an overdue heartbeat, a closed connection, a failed or stalled request.
 * 5. When it is we who are late, deadlines move by as much and our patience grows.
 * 6. Failed and left members stay as tombstones. Only what is newer than the tombstone brings them back.
 *
 * After each `handle`, `nextWakeMs` says when the next tick is due.
 */
export class Membership {
  readonly #self: NodeId;
  readonly #random: Random;
  readonly #members: Members;
  readonly #awareness = new Awareness();
  readonly #verdicts: Verdicts;
  readonly #probes: Probes;
  /** Connected, and not heard yet. */
  readonly #strangers = new Set<NodeId>();
  #effects: Effect[] = [];
  #incarnation: bigint;
  #leaving = false;
  #wakeMs: number | undefined;
  #nextProbeMs = 0;
  #nextPatrolMs = 0;

  constructor({ incarnation }: MembershipOptions, { self, random }: MembershipDeps) {
    const emit = (effect: Effect): void => {
      this.#effects.push(effect);
    };
    const awareness = this.#awareness;
    const members = new Members(random);
    const verdicts = new Verdicts({ members, awareness, random, emit });
    const onMissed = (member: Member, closed: boolean, nowMs: number): void => {
      verdicts.missed(member, closed, nowMs);
    };
    this.#self = self;
    this.#random = random;
    this.#incarnation = incarnation;
    this.#members = members;
    this.#verdicts = verdicts;
    this.#probes = new Probes({ members, awareness, emit, onMissed });
  }

  /** Our own. Heartbeats and answers to probes carry it. */
  get incarnation(): bigint {
    return this.#incarnation;
  }

  members(nowMs: number): readonly MemberView[] {
    return Array.from(this.#members.all(), (member) => viewOf(member, nowMs));
  }

  member(node: NodeId, nowMs: number): MemberView | undefined {
    const member = this.#members.get(node);
    return member && viewOf(member, nowMs);
  }

  healthOf(node: NodeId): NodeHealth | undefined {
    return this.#members.get(node)?.health;
  }

  nextWakeMs(nowMs: number): number {
    return Math.max(nowMs, this.#wakeMs ?? nowMs);
  }

  handle(event: MembershipEvent, nowMs: number): readonly Effect[] {
    this.#effects = [];
    if (this.#wakeMs === undefined) this.#begin(nowMs);
    else if (nowMs - this.#wakeMs > LATE_MS_MIN) this.#forgive(nowMs - this.#wakeMs);
    this.#take(event, nowMs);
    this.#wakeMs = Math.max(nowMs, this.#dueMs(nowMs));
    return this.#effects;
  }

  #begin(nowMs: number): void {
    this.#nextProbeMs = nowMs + this.#random.next() * PROBE_INTERVAL_MS;
    this.#nextPatrolMs = nowMs + PATROL_INTERVAL_MS;
  }

  #take(event: MembershipEvent, nowMs: number): void {
    switch (event.type) {
      case "heartbeat":
        this.#heartbeat(event.heartbeat, nowMs);
        break;
      case "tick":
        this.#tick(nowMs);
        break;
      case "update":
        this.#update(event.update, event.from, nowMs);
        break;
      case "probeAcked":
      case "indirectAcked":
        this.#acked(event, nowMs);
        break;
      case "probeMissed":
        this.#probes.refused(event.node, event.probeId, nowMs);
        break;
      case "indirectNacked":
        this.#probes.nacked(event.probeId);
        break;
      case "connected":
        this.#connected(event.node, nowMs);
        break;
      case "disconnected":
        this.#disconnected(event.node, nowMs);
        break;
      case "evidence":
        this.#evidence(event.node, event.evidence, nowMs);
        break;
      case "lateness":
        this.#forgive(event.latenessMs);
        break;
      case "leave":
        this.#leave();
        break;
    }
  }

  // ---- Time -----------------------------------------------------------------------------------------------------------

  #dueMs(nowMs: number): number {
    if (this.#leaving) return nowMs + IDLE_MS;
    const soon = Math.min(this.#nextProbeMs, this.#nextPatrolMs);
    return Math.min(soon, this.#probes.nextMs, this.#verdicts.nextMs);
  }

  #tick(nowMs: number): void {
    if (this.#leaving) return;
    this.#probes.settle(nowMs);
    if (nowMs >= this.#nextProbeMs) {
      this.#nextProbeMs = Math.max(nowMs, this.#nextProbeMs + PROBE_INTERVAL_MS);
      const next = this.#members.nextToProbe();
      if (next) this.#probes.start(next, false, nowMs);
    }
    if (nowMs >= this.#nextPatrolMs) this.#patrol(nowMs);
    for (const member of this.#members.suspects) {
      const { suspicion } = member;
      if (!suspicion || suspicion.nextProbeMs > nowMs) continue;
      suspicion.nextProbeMs = nowMs + SUSPECT_PROBE_INTERVAL_MS;
      this.#probes.start(member, true, nowMs);
    }
    this.#verdicts.settle(nowMs);
  }

  #patrol(nowMs: number): void {
    this.#nextPatrolMs = nowMs + PATROL_INTERVAL_MS;
    this.#verdicts.forgetOld(nowMs);
    let probes = 0;
    for (const member of this.#members.all()) {
      if (member.health !== "alive") continue;
      if (nowMs - member.heardMs < OVERDUE_TTL_SHARE * member.heartbeat.ttlMs) continue;
      if (++probes > OVERDUE_PROBES_MAX) break;
      this.#probes.start(member, false, nowMs);
    }
  }

  /** What came too late to be told apart from silence: all deadlines move by it, before anybody is judged by them. */
  #forgive(latenessMs: number): void {
    this.#awareness.late(latenessMs);
    this.#probes.postpone(latenessMs);
    this.#verdicts.postpone(latenessMs);
    this.#nextPatrolMs += latenessMs;
  }

  // ---- What nodes say -------------------------------------------------------------------------------------------------

  #heartbeat(heartbeat: HeartbeatRecord, nowMs: number): void {
    const { node, incarnation, sequence } = heartbeat;
    if (node === this.#self || incarnation >= INCARNATION_MAX) return;
    const member = this.#members.get(node);
    if (!member) {
      this.#verdicts.join(heartbeat, this.#strangers.delete(node), nowMs);
      return;
    }
    const last = member.heartbeat;
    if (incarnation === last.incarnation && sequence <= last.sequence) return;
    const isOfTheDead = isGone(member) && incarnation <= member.incarnation;
    if (isOfTheDead) this.#doubtTombstone(member, nowMs);
    if (incarnation < member.incarnation) return;
    member.heartbeat = heartbeat;
    member.incarnation = incarnation;
    if (isOfTheDead) return;
    const wasAlive = member.health === "alive";
    this.#signOfLife(member, nowMs);
    if (wasAlive && tellsNews(last, heartbeat)) {
      this.#effects.push({ type: "changed", kind: "changed", node });
    }
  }

  /** A message that was long under way, or a living node that must be told what we believe: its answer tells. */
  #doubtTombstone(member: Member, nowMs: number): void {
    if (isGone(member)) this.#probes.start(member, false, nowMs);
  }

  /** By something that may have been under way since before the connection was closed: then we look once more. */
  #signOfLife(member: Member, nowMs: number): void {
    const wasClosed = member.suspicion !== undefined && member.closed;
    this.#verdicts.heard(member, nowMs);
    if (wasClosed) this.#probes.start(member, true, nowMs);
  }

  #update(update: UpdateRecord, from: NodeId, nowMs: number): void {
    const { node, health, incarnation } = update;
    if (incarnation >= INCARNATION_MAX) return;
    if (node === this.#self) {
      this.#refute(update);
      return;
    }
    const member = this.#members.get(node);
    if (!member || incarnation < member.incarnation) return;
    const isNewLife = incarnation > member.incarnation;
    if (isGone(member) && isNewLife && from !== node) return;
    member.incarnation = incarnation;
    if (health === "left") this.#bury(member, nowMs);
    else if (health !== "alive") this.#verdicts.accused(member, from, health, nowMs);
    else if (isNewLife) this.#verdicts.heard(member, nowMs);
  }

  #bury(member: Member, nowMs: number): void {
    this.#probes.forget(member.node);
    this.#verdicts.left(member, nowMs);
  }

  #refute({ node, health, incarnation }: UpdateRecord): void {
    if (this.#leaving || health === "alive" || incarnation < this.#incarnation) return;
    this.#incarnation = incarnation + 1n;
    // Perhaps it is we who were slow to answer.
    this.#awareness.doubted();
    const alive = {
      node,
      health: "alive",
      incarnation: this.#incarnation,
      multiaddrs: [],
    } as const;
    this.#effects.push({ type: "publishUpdate", update: alive }, { type: "publishHeartbeat" });
  }

  #leave(): void {
    if (this.#leaving) return;
    this.#leaving = true;
    const [node, incarnation] = [this.#self, this.#incarnation];
    const update = { node, health: "left", incarnation, multiaddrs: [] } as const;
    this.#effects.push({ type: "publishUpdate", update });
  }

  // ---- What we find out -----------------------------------------------------------------------------------------------

  #acked(event: MembershipEvent & { type: "probeAcked" | "indirectAcked" }, nowMs: number): void {
    const { node, probeId, incarnation } = event;
    const isInTime = this.#probes.acked(node, probeId);
    if (isInTime && event.type === "probeAcked") this.#awareness.confirmed();
    const member = this.#members.get(node);
    // Who leaves still answers; and what a failed node answered before it failed says nothing.
    if (!member || member.health === "left" || (member.health === "failed" && !isInTime)) return;
    if (event.type === "probeAcked") member.closed = false;
    if (incarnation > member.incarnation && incarnation < INCARNATION_MAX) {
      member.incarnation = incarnation;
    }
    this.#verdicts.heard(member, nowMs);
  }

  #connected(node: NodeId, nowMs: number): void {
    const member = this.#members.get(node);
    if (member) {
      member.connected = true;
      member.closed = false;
      this.#doubtTombstone(member, nowMs);
    } else if (this.#strangers.size < MEMBERS_MAX) {
      this.#strangers.add(node);
      this.#effects.push({ type: "publishHeartbeat" });
    }
  }

  #disconnected(node: NodeId, nowMs: number): void {
    this.#strangers.delete(node);
    const member = this.#members.get(node);
    if (!member) return;
    member.connected = false;
    if (isGone(member) || this.#leaving) return;
    if (member.heartbeat.report.state === "leaving") this.#bury(member, nowMs);
    else {
      member.closed = true;
      this.#probes.start(member, true, nowMs);
    }
  }

  #evidence(node: NodeId, evidence: "served" | "failed" | "stalled", nowMs: number): void {
    const member = this.#members.get(node);
    if (!member || isGone(member) || this.#leaving) return;
    if (evidence === "served") this.#signOfLife(member, nowMs);
    else this.#probes.start(member, false, nowMs);
  }
}
