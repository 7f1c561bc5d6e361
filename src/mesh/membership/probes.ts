import type { NodeId } from "../../core/node-id.ts";
import type { Awareness } from "./awareness.ts";
import { isGone, type Member, type Members } from "./members.ts";
import type { Effect } from "./types.ts";
import { aboutOf } from "./verdicts.ts";

const TIMEOUT_MS = 500;
/** After a closed connection: a living node only has to be dialled. */
const CLOSED_TIMEOUT_MS = 300;
/** SWIM's k: with three, a lossy path must fail four times in a row to look like a dead node. */
const RELAYS = 3;
/** A relay needs some time to tell us that it has waited in vain. */
const RELAY_TIMEOUT_SHARE = 2 / 3;

/** One question to a node. */
interface Probe {
  readonly probeId: number;
  readonly node: NodeId;
  /** Relays are asked at once, not only after a miss. */
  readonly urgent: boolean;
  readonly closed: boolean;
  /** Relays are asked, and so many have not answered yet. */
  owed: number | undefined;
  deadlineMs: number;
}

export interface ProbesDeps {
  readonly members: Members;
  readonly awareness: Awareness;
  readonly emit: (effect: Effect) => void;
  readonly onMissed: (member: Member, closed: boolean, nowMs: number) => void;
}

/** The probes under way: at most one to each node, so never more than there are members. */
export class Probes {
  readonly #deps: ProbesDeps;
  readonly #byNode = new Map<NodeId, Probe>();
  #lastId = 0;

  constructor(deps: ProbesDeps) {
    this.#deps = deps;
  }

  get nextMs(): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { deadlineMs } of this.#byNode.values()) nextMs = Math.min(nextMs, deadlineMs);
    return nextMs;
  }

  has(node: NodeId): boolean {
    return this.#byNode.has(node);
  }

  /** Asks it, unless it is being asked: then only a closed connection is a reason to ask anew. */
  start(member: Member, urgent: boolean, nowMs: number): void {
    const { node, closed } = member;
    const current = this.#byNode.get(node);
    if (current && (current.closed || !closed)) return;
    const timeoutMs = this.#deps.awareness.stretched(closed ? CLOSED_TIMEOUT_MS : TIMEOUT_MS);
    const probeId = ++this.#lastId;
    const deadlineMs = nowMs + timeoutMs;
    const probe: Probe = { probeId, node, urgent, closed, owed: undefined, deadlineMs };
    this.#byNode.set(node, probe);
    const about = member.health === "alive" ? {} : { aboutYou: aboutOf(member) };
    this.#deps.emit({ type: "probe", node, probeId, timeoutMs, ...about });
    if (urgent) this.#askRelays(probe, timeoutMs);
  }

  /** True when this was the answer that we wait for, and in time. */
  acked(node: NodeId, probeId: number): boolean {
    if (this.#byNode.get(node)?.probeId !== probeId) return false;
    this.#byNode.delete(node);
    return true;
  }

  /** The node cannot be asked directly. */
  refused(node: NodeId, probeId: number, nowMs: number): void {
    const probe = this.#byNode.get(node);
    if (probe?.probeId !== probeId) return;
    // Where the connection was closed and no new one can be made, there is nothing to wait for.
    if (probe.closed) this.#end(probe, nowMs);
    else if (!probe.urgent && probe.owed === undefined) this.#widen(probe, nowMs);
  }

  nacked(probeId: number): void {
    for (const probe of this.#byNode.values()) {
      if (probe.probeId === probeId && probe.owed) probe.owed--;
    }
  }

  forget(node: NodeId): void {
    this.#byNode.delete(node);
  }

  settle(nowMs: number): void {
    for (const probe of this.#byNode.values()) {
      if (probe.deadlineMs > nowMs) continue;
      if (probe.urgent || probe.owed !== undefined) this.#end(probe, nowMs);
      else this.#widen(probe, nowMs);
    }
  }

  postpone(latenessMs: number): void {
    for (const probe of this.#byNode.values()) probe.deadlineMs += latenessMs;
  }

  /** The second half of a probe (SWIM §3.1): perhaps it is only our path to the node that is broken. */
  #widen(probe: Probe, nowMs: number): void {
    const timeoutMs = this.#deps.awareness.stretched(TIMEOUT_MS);
    probe.deadlineMs = nowMs + timeoutMs;
    this.#askRelays(probe, timeoutMs);
    if (probe.owed === 0) this.#end(probe, nowMs);
  }

  #askRelays(probe: Probe, timeoutMs: number): void {
    const via = this.#deps.members.relays(probe.node, RELAYS);
    probe.owed = via.length;
    if (via.length === 0) return;
    const { node: target, probeId } = probe;
    const relayTimeoutMs = timeoutMs * RELAY_TIMEOUT_SHARE;
    this.#deps.emit({ type: "probeIndirect", via, target, probeId, timeoutMs: relayTimeoutMs });
  }

  #end(probe: Probe, nowMs: number): void {
    this.#byNode.delete(probe.node);
    // Relays answer even when the node does not: what is missing was lost on our own side (Lifeguard's nack).
    if (!probe.closed && probe.owed) this.#deps.awareness.doubted();
    const member = this.#deps.members.get(probe.node);
    if (member && !isGone(member)) this.#deps.onMissed(member, probe.closed, nowMs);
  }
}
