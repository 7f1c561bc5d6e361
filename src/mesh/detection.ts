import type { Clock } from "../core/clock.ts";
import type { NodeId } from "../core/node-id.ts";
import type { NodeChange } from "../core/ports.ts";
import type { DetectorEffect, DetectorEvent, FailureDetector, Member } from "./failure-detector.ts";
import type { UpdateRecord } from "./membership-records.ts";
import type { Prober } from "./prober.ts";

export interface DetectionDeps {
  readonly clock: Clock;
  readonly detector: FailureDetector;
  readonly prober: Pick<Prober, "ping" | "pingThrough">;
  readonly pass: (updates: readonly UpdateRecord[]) => void;
  readonly onRefuted: () => void;
  readonly onChange: (member: Member, kind: NodeChange["kind"]) => void;
  readonly onForgotten: (node: NodeId) => void;
}

const TICK_MS = 100;

/** Drives the failure detector: gives it time and what happens, and does what it asks for. */
export class Detection implements AsyncDisposable {
  readonly #deps: DetectionDeps;
  readonly #stopping = new AbortController();
  readonly #probes = new Set<Promise<void>>();
  #ticking = Promise.resolve();

  private constructor(deps: DetectionDeps) {
    this.#deps = deps;
  }

  static open(deps: DetectionDeps): Detection {
    const detection = new Detection(deps);
    detection.#ticking = detection.#tick();
    return detection;
  }

  handle(event: DetectorEvent): void {
    if (this.#stopping.signal.aborted) return;
    for (const effect of this.#deps.detector.handle(event, this.#deps.clock.nowMs())) {
      this.#perform(effect);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#ticking;
    await Promise.all(this.#probes);
  }

  async #tick(): Promise<void> {
    const { clock } = this.#deps;
    const { signal } = this.#stopping;
    for (let latenessMs = 0; !signal.aborted; ) {
      this.handle({ type: "tick", latenessMs });
      const dueMs = clock.nowMs() + TICK_MS;
      await clock.sleep(TICK_MS, signal).catch(() => {});
      latenessMs = Math.max(0, clock.nowMs() - dueMs);
    }
  }

  #perform(effect: DetectorEffect): void {
    const { detector, pass, onRefuted, onChange, onForgotten } = this.#deps;
    switch (effect.type) {
      case "ping":
        this.#track(this.#ping(effect));
        break;
      case "pingThrough":
        this.#track(this.#pingThrough(effect));
        break;
      case "gossip":
        pass([effect.update]);
        break;
      case "refuted":
        onRefuted();
        break;
      case "forgotten":
        onForgotten(effect.node);
        break;
      case "changed": {
        const member = detector.member(effect.node);
        if (member) onChange(member, effect.kind);
      }
    }
  }

  #track(probe: Promise<void>): void {
    const tracked = probe.finally(() => this.#probes.delete(tracked));
    this.#probes.add(tracked);
  }

  async #ping({ node, timeoutMs, about }: DetectorEffect & { type: "ping" }): Promise<void> {
    const { signal } = this.#stopping;
    try {
      const { incarnation } = await this.#deps.prober.ping(node, about, { timeoutMs, signal });
      this.handle({ type: "acked", node, incarnation });
    } catch {
      this.handle({ type: "missed", node, stage: "direct" });
    }
  }

  async #pingThrough({
    node,
    relays,
    timeoutMs,
  }: DetectorEffect & { type: "pingThrough" }): Promise<void> {
    const { signal } = this.#stopping;
    try {
      const incarnation = await Promise.any(
        relays.map(async (relay) => {
          const limits = { timeoutMs, signal };
          const result = await this.#deps.prober.pingThrough(relay, node, limits);
          if (!result.acknowledged) throw new Error("missed there too");
          return result.incarnation;
        }),
      );
      this.handle({ type: "acked", node, incarnation });
    } catch {
      this.handle({ type: "missed", node, stage: "indirect" });
    }
  }
}
