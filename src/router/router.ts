import type { Clock } from "../core/clock.ts";
import type { ManifestDigest } from "../core/digest.ts";
import { InferenceError } from "../core/errors.ts";
import { noRecorder, type Recorder } from "../core/history.ts";
import type {
  Embeddings,
  EmbedRequest,
  GenerateRequest,
  LoadRequest,
  Route,
  RoutedEvent,
  Tokens,
  TokensRequest,
} from "../core/inference.ts";
import { LinkedSignal } from "../core/linked-signal.ts";
import type { Logger } from "../core/log.ts";
import { type Metrics, noMetrics } from "../core/metrics.ts";
import type { DescribeOptions, ModelDescription } from "../core/model.ts";
import type { NodeId } from "../core/node-id.ts";
import { canServe, type NodeView } from "../core/node-view.ts";
import type {
  Asking,
  ClusterView,
  Engine,
  Inference,
  LocalModels,
  PeerStreams,
  ReplicaIndex,
  Waiting,
} from "../core/ports.ts";
import type { Random } from "../core/random.ts";
import { Account, promptTexts } from "./account.ts";
import { type AttemptDeps, Attempts } from "./attempts.ts";
import { Breakers } from "./breaker.ts";
import { mergeEmbeddings, splitInputs } from "./embed-batches.ts";
import { generateWithFailover } from "./failover.ts";
import { InFlight } from "./in-flight.ts";
import { promptPrefix } from "./prompt-prefix.ts";
import { RemoteEngine } from "./remote-engine.ts";
import { type RouterMetrics, routerMetrics } from "./router-metrics.ts";
import { Watchdog } from "./watchdog.ts";

export interface RouterDeps {
  readonly view: ClusterView;
  readonly replicas: Pick<ReplicaIndex, "holders" | "doubt">;
  readonly streams: PeerStreams;
  /** This node's own. */
  readonly engine: Engine;
  readonly models: Pick<LocalModels, "describe">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics?: Metrics;
  readonly recorder?: Recorder;
}

/** The cluster as one engine. */
export class Router implements Inference, AsyncDisposable {
  readonly #deps: RouterDeps;
  readonly #attempts: AttemptDeps;
  readonly #watchdog = new Watchdog();
  readonly #closed = new AbortController();
  readonly #metrics: RouterMetrics;
  readonly #self: NodeId;
  #running = 0;
  #onIdle: () => void = () => {};

  private constructor(deps: RouterDeps) {
    this.#deps = deps;
    this.#self = deps.view.self().id;
    this.#metrics = routerMetrics(deps.metrics ?? noMetrics);
    this.#attempts = {
      ...deps,
      engineOf: (node) => this.#engineOf(node),
      breakers: new Breakers(),
      inFlight: new InFlight(),
      metrics: this.#metrics,
    };
  }

  static open(deps: RouterDeps): Router {
    return new Router(deps);
  }

  /** Requests under way. */
  running(): number {
    return this.#running;
  }

  async *generate(request: GenerateRequest, o: Asking): AsyncIterable<RoutedEvent> {
    using _request = this.#enter();
    // What is only rendered is no inference.
    using account = request.renderOnly
      ? undefined
      : this.#account("generate", request, o, 1, () => promptTexts(request.input));
    const key = { model: request.model, prefix: promptPrefix(request.input) };
    const attempts = new Attempts(key, this.#attempts);
    const deps = { watchdog: this.#watchdog, clock: this.#deps.clock, metrics: this.#metrics };
    using bounded = this.#bounded(o);
    try {
      for await (const event of generateWithFailover(request, attempts, deps, bounded)) {
        account?.saw(event);
        yield event;
      }
    } catch (error) {
      account?.failed(error);
      throw error;
    }
  }

  async embed(request: EmbedRequest, o: Asking): Promise<Embeddings & { readonly route: Route }> {
    const holders = this.#deps.replicas.holders(request.model);
    const ready = holders.filter(({ state }) => state === "ready").length;
    const shares = splitInputs(request.inputs, ready);
    using account = this.#account("embed", request, o, shares.length, () => request.inputs);
    try {
      const parts = await Promise.all(
        shares.map((inputs, index) => {
          const key = { model: request.model, prefix: `${index}` };
          const ask = (engine: Engine, bounded: Waiting) =>
            engine.embed({ ...request, inputs }, bounded);
          return this.#once(key, o, ask, account);
        }),
      );
      const merged = mergeEmbeddings(parts.map(({ result, route }) => ({ ...result, route })));
      account.answered(merged.promptTokens, 0);
      return merged;
    } catch (error) {
      account.failed(error);
      throw error;
    }
  }

  async load(
    request: LoadRequest,
    o: Waiting,
  ): Promise<{ readonly loadMs: number; readonly route: Route }> {
    const key = { model: request.model, prefix: "" };
    const { result, route } = await this.#once(key, o, (engine, bounded) =>
      engine.load(request, bounded),
    );
    return { ...result, route };
  }

  async tokens(request: TokensRequest, o: Waiting): Promise<Tokens & { readonly route: Route }> {
    const key = { model: request.model, prefix: "" };
    const { result, route } = await this.#once(key, o, (engine, bounded) =>
      engine.tokens(request, bounded),
    );
    return { ...result, route };
  }

  async unload(model: ManifestDigest, o: Waiting): Promise<void> {
    const holders = new Set(this.#deps.replicas.holders(model).map(({ node }) => node));
    const isLoadedOn = (node: NodeView): boolean =>
      node.self || node.loaded.some((loaded) => loaded.model === model);
    using bounded = this.#bounded(o);
    // A holder that loaded it just now may not have said so yet, so all are asked; who is away and said nothing is no error.
    const asked = this.#deps.view
      .nodes()
      .filter((node) => canServe(node) && (isLoadedOn(node) || holders.has(node.id)));
    await Promise.all(
      asked.map(async (node) => {
        try {
          await this.#engineOf(node.id).unload(model, bounded);
        } catch (error) {
          if (isLoadedOn(node) || bounded.signal.aborted) throw error;
        }
      }),
    );
  }

  async show(
    model: ManifestDigest,
    options: DescribeOptions,
    o: Waiting,
  ): Promise<{ readonly description: ModelDescription; readonly route: Route }> {
    const { id, name } = this.#deps.view.self();
    const own = await this.#deps.models.describe(model, options, o);
    if (own) {
      return { description: own, route: { node: id, nodeName: name, attempts: 1, overheadMs: 0 } };
    }
    const { result, route } = await this.#once({ model, prefix: "" }, o, (engine, bounded) => {
      if (!(engine instanceof RemoteEngine)) {
        throw new InferenceError("MODEL_NOT_HERE", "this node does not have it any more");
      }
      return engine.show(model, options, bounded);
    });
    return { description: result, route };
  }

  /** One question with one answer, asked of one node after another. */
  async #once<T>(
    key: { readonly model: ManifestDigest; readonly prefix: string },
    o: Waiting,
    ask: (engine: Engine, o: Waiting) => Promise<T>,
    account?: Account,
  ): Promise<{ readonly result: T; readonly route: Route }> {
    using _request = this.#enter();
    const attempts = new Attempts(key, this.#attempts);
    using bounded = this.#bounded(o);
    for (;;) {
      const { route, engine, attempt } = attempts.next();
      using _turn = attempt;
      account?.asked(route.node);
      try {
        const result = await ask(engine, bounded);
        attempt.served();
        return { result, route };
      } catch (error) {
        attempts.failed(error, false, attempt, bounded);
      }
    }
  }

  /** The node where a request came in keeps its account: nobody else sees all of it. */
  #account(
    kind: "generate" | "embed",
    request: GenerateRequest | EmbedRequest,
    o: Asking,
    parts: number,
    prompt: () => readonly string[],
  ): Account {
    const { recorder = noRecorder, clock } = this.#deps;
    const { requestId, model } = request;
    const { modelName, userId } = o;
    const of = { requestId, kind, userId, model, modelName, prompt, parts };
    return new Account(of, { recorder, clock });
  }

  #engineOf(node: NodeId): Engine {
    if (node === this.#self) return this.#deps.engine;
    return new RemoteEngine(node, {
      streams: this.#deps.streams,
      view: (id) => this.#deps.view.nodes().find((view) => view.id === id),
    });
  }

  #bounded({ signal }: Waiting): LinkedSignal {
    return new LinkedSignal(signal, this.#closed.signal);
  }

  #enter(): Disposable {
    this.#running++;
    return {
      [Symbol.dispose]: () => {
        this.#running--;
        if (this.#running === 0) this.#onIdle();
      },
    };
  }

  /** Aborts what is still under way and waits for it. */
  async [Symbol.asyncDispose](): Promise<void> {
    const idle = new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
    this.#closed.abort(new InferenceError("RUNNER_DIED", "the node is shutting down"));
    if (this.#running > 0) await idle;
  }
}
