import type { Clock } from "../core/clock.ts";
import type { NodeId } from "../core/node-id.ts";
import type { PeerStream, PeerStreams, Waiting } from "../core/ports.ts";
import { withTimeout } from "../core/with-timeout.ts";
import { ProbeReplySchema, ProbeRequestSchema } from "../gen/ollamamax/v1/mesh_pb.ts";
import { codec, invalid } from "./codec.ts";
import { fromUpdateMessage, toUpdateMessage, type UpdateRecord } from "./membership-records.ts";
import { nodeId } from "./record-fields.ts";

export interface ProbeResult {
  readonly acknowledged: boolean;
  /** Of the node that was probed. */
  readonly incarnation: bigint;
}

export interface ProbeLimits extends Waiting {
  readonly timeoutMs: number;
}

export interface ProberDeps {
  readonly clock: Clock;
  readonly streams: PeerStreams;
  readonly incarnation: () => bigint;
  /** Somebody tells us what it believes of us. */
  readonly onAboutUs: (update: UpdateRecord, from: NodeId) => void;
  /** Somebody who asks is alive. */
  readonly onHeard: (from: NodeId) => void;
}

const requests = codec(ProbeRequestSchema);
const replies = codec(ProbeReplySchema);
const RELAYED_TIMEOUT_MS_MAX = 5_000;
const RELAY_TIMEOUT_FACTOR = 1.5;

/** Asks nodes whether they are alive, directly or through another one, and answers those who ask. */
export class Prober implements Disposable {
  readonly #deps: ProberDeps;
  readonly #serving: Disposable;

  constructor(deps: ProberDeps) {
    this.#deps = deps;
    this.#serving = deps.streams.handle("probe", (stream) => this.#serve(stream));
  }

  /** Rejects when the node does not answer in time. `aboutYou`: lets it refute what we think of it. */
  async ping(
    node: NodeId,
    aboutYou: UpdateRecord | undefined,
    o: ProbeLimits,
  ): Promise<ProbeResult> {
    const ping = aboutYou ? { aboutYou: toUpdateMessage(aboutYou) } : {};
    return await this.#ask(node, requests.encode({ kind: { case: "ping", value: ping } }), o);
  }

  /** Asks another node to ping it; rejects when that one does not answer either, half as long again later. */
  async pingThrough(relay: NodeId, target: NodeId, o: ProbeLimits): Promise<ProbeResult> {
    const value = { nodeId: target, timeoutMs: Math.round(o.timeoutMs) };
    const limits = { signal: o.signal, timeoutMs: RELAY_TIMEOUT_FACTOR * o.timeoutMs };
    return await this.#ask(relay, requests.encode({ kind: { case: "pingOther", value } }), limits);
  }

  [Symbol.dispose](): void {
    this.#serving[Symbol.dispose]();
  }

  async #ask(node: NodeId, request: Uint8Array, limits: ProbeLimits): Promise<ProbeResult> {
    return await this.#limited(limits, async (signal) => {
      const o = { signal };
      await using stream = await this.#deps.streams.open(node, "probe", o);
      await stream.end(o, request);
      const reply = await stream.receive(o);
      if (!reply) throw invalid("no reply to a probe");
      await stream.receive(o);
      const { acknowledged, incarnation } = replies.decode(reply);
      return { acknowledged, incarnation };
    });
  }

  #limited<T>(limits: ProbeLimits, action: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const onTimeout = (): Error => new Error(`no answer to a probe in ${limits.timeoutMs} ms`);
    return withTimeout(this.#deps.clock, { ...limits, onTimeout }, action);
  }

  async #serve(stream: PeerStream): Promise<void> {
    const o = { signal: stream.signal };
    const request = await stream.receive(o);
    if (!request) return;
    const { kind } = requests.decode(request);
    this.#deps.onHeard(stream.peer);
    let result: ProbeResult = { acknowledged: true, incarnation: this.#deps.incarnation() };
    if (kind.case === "pingOther") {
      const target = nodeId("node_id", kind.value.nodeId);
      result = await this.#relay(target, kind.value.timeoutMs, o);
    } else if (kind.value?.aboutYou) {
      this.#deps.onAboutUs(fromUpdateMessage(kind.value.aboutYou), stream.peer);
      result = { acknowledged: true, incarnation: this.#deps.incarnation() };
    }
    await stream.end(o, replies.encode(result));
  }

  async #relay(target: NodeId, timeoutMs: number, { signal }: Waiting): Promise<ProbeResult> {
    try {
      const limits = { signal, timeoutMs: Math.min(RELAYED_TIMEOUT_MS_MAX, timeoutMs) };
      return await this.ping(target, undefined, limits);
    } catch {
      signal.throwIfAborted();
      return { acknowledged: false, incarnation: 0n };
    }
  }
}
