import type { Clock } from "../core/clock.ts";
import type { ManifestDigest } from "../core/digest.ts";
import { INFERENCE_ERRORS, InferenceError, isAborted, messageOf } from "../core/errors.ts";
import type { Route } from "../core/inference.ts";
import type { NodeId } from "../core/node-id.ts";
import type { NodeView } from "../core/node-view.ts";
import type { ClusterView, Engine, ReplicaIndex, Waiting } from "../core/ports.ts";
import type { Random } from "../core/random.ts";
import type { Breakers } from "./breaker.ts";
import type { InFlight } from "./in-flight.ts";
import type { RouterMetrics } from "./router-metrics.ts";
import { candidatesOf, rank } from "./select.ts";

export interface AttemptDeps {
  readonly view: ClusterView;
  readonly replicas: Pick<ReplicaIndex, "holders" | "doubt">;
  readonly engineOf: (node: NodeId) => Engine;
  readonly breakers: Breakers;
  readonly inFlight: InFlight;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: RouterMetrics;
}

export const ATTEMPTS_MAX = 3;

/**
 * One request's way through the cluster: hands out one node after another, never one twice, and says after each failure
 * what the table in core/errors.ts makes of it.
 */
export class Attempts {
  readonly #deps: AttemptDeps;
  readonly #key: { readonly model: ManifestDigest; readonly prefix: string };
  readonly #asked = new Set<NodeId>();
  readonly #arrivedMs: number;
  #engineMs = 0;
  #failure: InferenceError | undefined;
  #retryAfterMs = Number.POSITIVE_INFINITY;

  constructor(key: { readonly model: ManifestDigest; readonly prefix: string }, deps: AttemptDeps) {
    this.#deps = deps;
    this.#key = key;
    this.#arrivedMs = deps.clock.nowMs();
  }

  /** The next node to ask. Throws when nobody is left: what the last one said, or MODEL_NOT_HERE. */
  next(): { readonly route: Route; readonly engine: Engine; readonly attempt: Attempt } {
    const nodes = this.#deps.view.nodes();
    const node = this.#asked.size < ATTEMPTS_MAX ? this.#pick(nodes) : undefined;
    if (node === undefined) throw this.#nobodyLeft();
    this.#asked.add(node);
    const view = nodes.find(({ id }) => id === node);
    const route = {
      node,
      nodeName: view?.name ?? "",
      attempts: this.#asked.size,
      overheadMs: this.#deps.clock.nowMs() - this.#arrivedMs - this.#engineMs,
    };
    this.#deps.breakers.asked(node);
    const place = { node, where: view?.self ? "here" : "peer" };
    const attempt = new Attempt(place, this.#deps, (tookMs) => {
      this.#engineMs += tookMs;
    });
    return { route, engine: this.#deps.engineOf(node), attempt };
  }

  /** Returns when another node may be asked; throws when the failure is the answer. `sent`: the client has some text. */
  failed(error: unknown, sent: boolean, attempt: Attempt, { signal }: Waiting): void {
    const failure = asInferenceError(error, signal);
    attempt.failed(failure);
    this.#failure = failure;
    const retryAfterMs = failure.details["retryAfterMs"];
    if (typeof retryAfterMs === "number") {
      this.#retryAfterMs = Math.min(this.#retryAfterMs, retryAfterMs);
    }
    const { elsewhere, resume } = INFERENCE_ERRORS[failure.code];
    if (!elsewhere || (sent && !resume)) throw failure;
  }

  #pick(view: readonly NodeView[]): NodeId | undefined {
    const { replicas, breakers, inFlight, clock, random } = this.#deps;
    const nowMs = clock.nowMs();
    const choice = {
      ...this.#key,
      view,
      holders: replicas.holders(this.#key.model),
      asked: this.#asked,
      inFlight: (node: NodeId) => inFlight.of(node),
    };
    let candidates = candidatesOf({ ...choice, blocked: (node) => breakers.isOpen(node, nowMs) });
    // When every breaker is open, a node that may have recovered is better than no answer; and so is one that drains, or
    // was given up, perhaps wrongly, when nobody else has the model.
    const blocked = (): boolean => false;
    if (candidates.length === 0) candidates = candidatesOf({ ...choice, blocked });
    if (candidates.length === 0)
      candidates = candidatesOf({ ...choice, blocked, even: "draining" });
    if (candidates.length === 0 && this.#asked.size === 0) {
      candidates = candidatesOf({ ...choice, blocked, even: "failed" });
    }
    return rank(candidates, this.#key, random)[0]?.id;
  }

  #nobodyLeft(): InferenceError {
    if (!this.#failure) {
      return new InferenceError("MODEL_NOT_HERE", "no node that can be reached holds this model");
    }
    if (this.#failure.code !== "BUSY" || !Number.isFinite(this.#retryAfterMs)) return this.#failure;
    const details = { retryAfterMs: this.#retryAfterMs };
    return new InferenceError("BUSY", this.#failure.message, { details, cause: this.#failure });
  }
}

/** One node's turn. Tells the breaker, the failure detector and the replica index how it went. */
export class Attempt implements Disposable {
  readonly #node: NodeId;
  readonly #where: string;
  readonly #deps: AttemptDeps;
  readonly #onEnd: (tookMs: number) => void;
  readonly #startedMs: number;
  #told = false;

  constructor(
    { node, where }: { readonly node: NodeId; readonly where: string },
    deps: AttemptDeps,
    onEnd: (tookMs: number) => void,
  ) {
    this.#node = node;
    this.#where = where;
    this.#deps = deps;
    this.#onEnd = onEnd;
    this.#startedMs = deps.clock.nowMs();
    deps.inFlight.add(node);
  }

  /** Tokens, or a whole answer, are proof of life. */
  served(): void {
    if (this.#told) return;
    this.#told = true;
    this.#count("ok");
    this.#deps.breakers.succeeded(this.#node);
    this.#deps.view.observe(this.#node, "served");
  }

  failed(failure: InferenceError): void {
    this.#told = true;
    this.#count(failure.code);
    const { against } = INFERENCE_ERRORS[failure.code];
    if (against === "announcement") this.#deps.replicas.doubt(this.#node);
    if (against !== "health") {
      this.#deps.breakers.undecided(this.#node);
      return;
    }
    this.#deps.breakers.failed(this.#node, this.#deps.clock.nowMs());
    // A runner that died says nothing of the node around it: the peer itself told us.
    if (failure.code === "RUNNER_DIED") return;
    this.#deps.view.observe(this.#node, failure.code === "STALLED" ? "stalled" : "failed");
  }

  #count(outcome: string): void {
    this.#deps.metrics.attempts.add({ where: this.#where, outcome });
  }

  [Symbol.dispose](): void {
    this.#deps.inFlight.remove(this.#node);
    if (!this.#told) this.#deps.breakers.undecided(this.#node);
    this.#onEnd(this.#deps.clock.nowMs() - this.#startedMs);
  }
}

/** What was thrown, by the table's codes: the caller's own abort is CANCELLED or DEADLINE, the rest broke the stream. */
function asInferenceError(error: unknown, signal: AbortSignal): InferenceError {
  if (signal.aborted) {
    const timedOut = signal.reason instanceof Error && signal.reason.name === "TimeoutError";
    return timedOut
      ? new InferenceError("DEADLINE", "the request's time is over", { cause: error })
      : new InferenceError("CANCELLED", "request canceled", { cause: error });
  }
  if (error instanceof InferenceError) return error;
  const message = isAborted(error) ? "the peer's stream was reset" : messageOf(error);
  return new InferenceError("STREAM_BROKEN", message, { cause: error });
}
