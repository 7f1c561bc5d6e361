import type { Clock } from "../core/clock.ts";
import type { NodeId } from "../core/node-id.ts";
import type { NodeChange } from "../core/ports.ts";
import type { Membership } from "./membership/membership.ts";
import type { Effect, MembershipEvent } from "./membership/types.ts";
import type { UpdateRecord } from "./membership-records.ts";
import type { Prober } from "./prober.ts";
import { Pulse } from "./pulse.ts";

export interface DetectionDeps {
  readonly clock: Clock;
  readonly membership: Membership;
  readonly prober: Pick<Prober, "ping" | "pingThrough">;
  readonly publishHeartbeat: () => void;
  readonly publishUpdate: (update: UpdateRecord) => void;
  readonly onChange: (node: NodeId, kind: NodeChange["kind"]) => void;
  readonly onForgotten: (node: NodeId) => void;
}

/** Drives the membership's state machine: gives it time and what happens, and does what it asks for. */
export class Detection implements AsyncDisposable {
  readonly #deps: DetectionDeps;
  readonly #stopping = new AbortController();
  readonly #pulse = new Pulse();
  readonly #probes = new Set<Promise<void>>();
  #wakeMs = 0;
  #ticking = Promise.resolve();

  private constructor(deps: DetectionDeps) {
    this.#deps = deps;
  }

  static open(deps: DetectionDeps): Detection {
    const detection = new Detection(deps);
    detection.#ticking = detection.#tick();
    return detection;
  }

  handle(event: MembershipEvent): void {
    if (this.#stopping.signal.aborted) return;
    const { clock, membership } = this.#deps;
    for (const effect of membership.handle(event, clock.nowMs())) this.#perform(effect);
    // What happened may be due sooner than what the loop sleeps for.
    if (membership.nextWakeMs(clock.nowMs()) < this.#wakeMs) this.#pulse.wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#ticking;
    await Promise.all(this.#probes);
  }

  async #tick(): Promise<void> {
    const { clock, membership } = this.#deps;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.handle({ type: "tick" });
      const nowMs = clock.nowMs();
      this.#wakeMs = membership.nextWakeMs(nowMs);
      await this.#pulse.sleep(clock, this.#wakeMs - nowMs, signal);
    }
  }

  #perform(effect: Effect): void {
    const { publishHeartbeat, publishUpdate, onChange, onForgotten } = this.#deps;
    switch (effect.type) {
      case "probe":
        this.#track(this.#probe(effect));
        break;
      case "probeIndirect":
        for (const via of effect.via) this.#track(this.#probeThrough(via, effect));
        break;
      case "publishHeartbeat":
        publishHeartbeat();
        break;
      case "publishUpdate":
        publishUpdate(effect.update);
        break;
      case "changed":
        onChange(effect.node, effect.kind);
        break;
      case "forget":
        onForgotten(effect.node);
        break;
    }
  }

  #track(probe: Promise<void>): void {
    const tracked = probe.finally(() => this.#probes.delete(tracked));
    this.#probes.add(tracked);
  }

  async #probe({ node, probeId, timeoutMs, aboutYou }: Effect & { type: "probe" }): Promise<void> {
    const { signal } = this.#stopping;
    try {
      const limits = { timeoutMs, signal };
      const { incarnation } = await this.#deps.prober.ping(node, aboutYou, limits);
      this.handle({ type: "probeAcked", probeId, node, incarnation });
    } catch {
      this.handle({ type: "probeMissed", probeId, node });
    }
  }

  async #probeThrough(via: NodeId, effect: Effect & { type: "probeIndirect" }): Promise<void> {
    const { target, probeId, timeoutMs } = effect;
    const { signal } = this.#stopping;
    try {
      const result = await this.#deps.prober.pingThrough(via, target, { timeoutMs, signal });
      const { acknowledged, incarnation } = result;
      if (acknowledged) this.handle({ type: "indirectAcked", probeId, node: target, incarnation });
      else this.handle({ type: "indirectNacked", probeId, via });
    } catch {
      // A relay that says nothing says nothing of the target: its time runs out in the state machine.
    }
  }
}
