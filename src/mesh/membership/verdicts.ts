import type { NodeId } from "../../core/node-id.ts";
import type { NodeHealth } from "../../core/node-view.ts";
import type { Random } from "../../core/random.ts";
import type { HeartbeatRecord, UpdateRecord } from "../membership-records.ts";
import type { Awareness } from "./awareness.ts";
import { isGone, type Member, type Members, type Suspicion } from "./members.ts";
import { Outbox } from "./outbox.ts";
import { CONFIRMATIONS_MAX, suspicionTimeoutMs } from "./suspicion.ts";
import type { Effect } from "./types.ts";

/** A tombstone keeps what is still under way in the network from bringing its node back, and shows people who is missing. */
const TOMBSTONE_MS = 600_000;

/** So many, on average, set right who missed a farewell. */
const CORRECTORS = 5;

export interface VerdictsDeps {
  readonly members: Members;
  readonly awareness: Awareness;
  readonly random: Random;
  readonly emit: (effect: Effect) => void;
}

/** What we hold of each member, how it changes, and what we say of it. */
export class Verdicts {
  readonly #deps: VerdictsDeps;
  readonly #outbox: Outbox;

  constructor(deps: VerdictsDeps) {
    this.#deps = deps;
    this.#outbox = new Outbox(deps.random);
  }

  /** When a suspect is to be asked again, or `settle` has something to do. */
  get nextMs(): number {
    let nextMs = this.#outbox.nextMs;
    for (const { suspicion } of this.#deps.members.suspects) {
      if (!suspicion) continue;
      nextMs = Math.min(nextMs, suspicion.nextProbeMs);
      if (suspicion.missed) nextMs = Math.min(nextMs, suspicion.deadlineMs);
    }
    return nextMs;
  }

  join(heartbeat: HeartbeatRecord, connected: boolean, nowMs: number): void {
    const { members, emit } = this.#deps;
    if (members.isFull) {
      const oldest = members.oldestGone();
      if (oldest) this.#forget(oldest);
    }
    if (!members.add(heartbeat, connected, nowMs)) return;
    emit({ type: "changed", kind: "joined", node: heartbeat.node });
    // It has just come, and has heard nothing of us yet.
    emit({ type: "publishHeartbeat" });
  }

  /** A sign of life. What it means for a tombstone, the caller has decided. */
  heard(member: Member, nowMs: number): void {
    const { members, emit } = this.#deps;
    member.heardMs = nowMs;
    if (member.health === "alive") return;
    const kind = isGone(member) ? "joined" : "changed";
    this.#outbox.drop(member.node);
    members.setHealth(member, "alive");
    emit({ type: "changed", kind, node: member.node });
    if (kind === "joined") emit({ type: "publishHeartbeat" });
  }

  /** We asked, and had no answer. */
  missed(member: Member, closed: boolean, nowMs: number): void {
    if (isGone(member)) return;
    const suspicion = this.#suspicionOf(member, nowMs);
    suspicion.closed ||= closed;
    if (!suspicion.missed && suspicion.witnesses.size <= CONFIRMATIONS_MAX) {
      this.#outbox.put(aboutOf(member), this.#nodeCount, nowMs);
    }
    suspicion.missed = true;
    this.#setDeadline(suspicion);
  }

  /** Somebody else suspects it, or even says that it has failed. */
  accused(member: Member, witness: NodeId, health: "suspect" | "failed", nowMs: number): void {
    if (isGone(member)) {
      if (member.health === "left") this.#correct(member, nowMs);
      else if (health === "failed") this.#outbox.drop(member.node);
      return;
    }
    const isNews = member.suspicion === undefined;
    const suspicion = this.#suspicionOf(member, nowMs);
    suspicion.witnesses.add(witness);
    if (suspicion.witnesses.size > CONFIRMATIONS_MAX) this.#outbox.drop(member.node);
    if (health === "failed") {
      // It has had its time. What is missing is only our own look.
      suspicion.convicted = true;
      suspicion.nextProbeMs = nowMs;
    } else if (isNews) {
      suspicion.nextProbeMs = nowMs + (this.#deps.random.next() * this.#timeoutMs(suspicion)) / 3;
    }
    this.#setDeadline(suspicion);
  }

  left(member: Member, nowMs: number): void {
    if (member.health === "left") this.#outbox.drop(member.node);
    else this.#bury(member, "left", nowMs);
  }

  /** Fails those whose time is over, and says what is to be said. */
  settle(nowMs: number): void {
    const { members, emit } = this.#deps;
    for (const member of members.suspects) {
      const { suspicion } = member;
      if (!suspicion?.missed || suspicion.deadlineMs > nowMs) continue;
      const isLeaving = member.heartbeat.report.state === "leaving";
      this.#bury(member, isLeaving ? "left" : "failed", nowMs);
      this.#outbox.put(aboutOf(member), this.#nodeCount, nowMs);
    }
    for (const update of this.#outbox.takeDue(nowMs)) emit({ type: "publishUpdate", update });
  }

  forgetOld(nowMs: number): void {
    for (const member of this.#deps.members.all()) {
      if (isGone(member) && nowMs - member.goneMs >= TOMBSTONE_MS) this.#forget(member);
    }
  }

  /** Our own lateness is nobody else's. */
  postpone(latenessMs: number): void {
    for (const { suspicion } of this.#deps.members.suspects) {
      if (!suspicion) continue;
      suspicion.sinceMs += latenessMs;
      suspicion.deadlineMs += latenessMs;
      suspicion.nextProbeMs += latenessMs;
    }
  }

  get #nodeCount(): number {
    return this.#deps.members.liveCount + 1;
  }

  /** Somebody has missed its farewell. A few of us tell again. */
  #correct(member: Member, nowMs: number): void {
    if (this.#deps.random.next() * this.#nodeCount >= CORRECTORS) return;
    this.#outbox.put(aboutOf(member), this.#nodeCount, nowMs);
  }

  #suspicionOf(member: Member, nowMs: number): Suspicion {
    if (member.suspicion) return member.suspicion;
    const suspicion: Suspicion = {
      sinceMs: nowMs,
      deadlineMs: nowMs,
      nextProbeMs: nowMs,
      witnesses: new Set(),
      missed: false,
      convicted: false,
      closed: false,
    };
    this.#deps.members.setHealth(member, "suspect");
    member.suspicion = suspicion;
    this.#deps.emit({ type: "changed", kind: "suspect", node: member.node });
    return suspicion;
  }

  #setDeadline(suspicion: Suspicion): void {
    suspicion.deadlineMs = suspicion.sinceMs + this.#timeoutMs(suspicion);
  }

  #timeoutMs({ witnesses, missed, closed, convicted }: Suspicion): number {
    if (convicted) return 0;
    const confirmations = Math.max(0, witnesses.size + Number(missed) - 1);
    const timeoutMs = suspicionTimeoutMs({ nodeCount: this.#nodeCount, confirmations, closed });
    return this.#deps.awareness.stretched(timeoutMs);
  }

  #bury(member: Member, health: "failed" | "left", nowMs: number): void {
    this.#outbox.drop(member.node);
    this.#deps.members.setHealth(member, health);
    member.goneMs = nowMs;
    this.#deps.emit({ type: "changed", kind: health, node: member.node });
  }

  #forget(member: Member): void {
    this.#outbox.drop(member.node);
    this.#deps.members.remove(member);
    this.#deps.emit({ type: "forget", node: member.node });
  }
}

/** What we hold of it, as others may hear it. */
export function aboutOf(member: Member): UpdateRecord {
  const { node, incarnation, heartbeat } = member;
  const health: NodeHealth = member.health;
  return { node, incarnation, health, multiaddrs: heartbeat.multiaddrs };
}
