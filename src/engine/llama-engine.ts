import type { Clock } from "../core/clock.ts";
import type { ManifestDigest } from "../core/digest.ts";
import { InferenceError } from "../core/errors.ts";
import type {
  Embeddings,
  EmbedRequest,
  EngineStatus,
  GenerateEvent,
  GenerateRequest,
  LoadRequest,
  RunnerOptions,
  Tokens,
  TokensRequest,
} from "../core/inference.ts";
import { LinkedSignal } from "../core/linked-signal.ts";
import type { Logger } from "../core/log.ts";
import type { Metrics } from "../core/metrics.ts";
import type { ModelFiles } from "../core/model.ts";
import type { Engine, LocalModels, Waiting } from "../core/ports.ts";
import type { Random } from "../core/random.ts";
import { writesThinkTags } from "../core/think-tags.ts";
import { unlessAborted } from "./changes.ts";
import { measureEngine } from "./engine-metrics.ts";
import type { LoadRunner } from "./loading.ts";
import { ModelHost } from "./model-host.ts";
import { completeOptions, type LlamaEngineOptions } from "./options.ts";
import {
  keepAutomatic,
  maxTokensOf,
  runnerOptionsOf,
  samplingOf,
  stopWordsOf,
} from "./parameters.ts";
import type { GenerateJob, RunnerSpec } from "./runner/protocol.ts";
import { loadError, RunnerLoader } from "./runner-loader.ts";
import { Visit } from "./visit.ts";

const SEEDS = 2 ** 32;
const RETRY_AFTER_MS = 1_000;
const HOSTS_MAX = 256;
/** Ollama's words. */
const SERVER_BUSY = "server busy, please try again.  maximum pending requests exceeded";

export interface LlamaEngineDeps {
  readonly models: Pick<LocalModels, "open" | "runnable">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** What the machine can give to models. */
  readonly freeMemoryBytes?: () => number;
  readonly metrics?: Metrics;
  /** A model is in memory now, or no longer. */
  readonly onLoadedChange?: () => void;
}

/** Runs models of this node's store with llama.cpp, each in a process of its own. */
export class LlamaEngine implements Engine, AsyncDisposable {
  readonly #options: LlamaEngineOptions;
  readonly #deps: LlamaEngineDeps;
  readonly #hosts = new Map<ManifestDigest, ModelHost>();
  readonly #loader: RunnerLoader;
  readonly #closed = new AbortController();

  private constructor(options: LlamaEngineOptions, deps: LlamaEngineDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#loader = new RunnerLoader(
      options,
      {
        uses: () => [...this.#hosts.values()].flatMap((host) => host.use() ?? []),
        retire: async (model) => await this.#hosts.get(model)?.retire(),
      },
      { freeMemoryBytes: () => process.availableMemory(), ...deps },
    );
  }

  static async open(
    options: Partial<LlamaEngineOptions>,
    deps: LlamaEngineDeps,
  ): Promise<LlamaEngine> {
    const engine = new LlamaEngine(completeOptions(options), deps);
    if (deps.metrics) measureEngine(deps.metrics, () => engine.status());
    return engine;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const error = new InferenceError("RUNNER_DIED", "the node is shutting down");
    this.#closed.abort(error);
    await Promise.all([...this.#hosts.values()].map((host) => host.close(error)));
  }

  status(): EngineStatus {
    const hosts = [...this.#hosts.values()];
    return {
      slots: this.#options.numParallel,
      running: hosts.reduce((sum, host) => sum + host.queue.running, 0),
      queued: this.#queued(),
      loaded: hosts.flatMap((host) => host.status() ?? []),
    };
  }

  async load(request: LoadRequest, o: Waiting): Promise<{ readonly loadMs: number }> {
    using waiting = this.#waiting(o);
    const { signal } = waiting;
    try {
      using visit = await this.#enter(request, signal);
      await finished(visit.ready({ signal }));
      return { loadMs: visit.loadMs };
    } catch (error) {
      throw failureOf(error, signal);
    }
  }

  async unload(model: ManifestDigest, o: Waiting): Promise<void> {
    await this.#letGo(model, o, (host) => host.release());
  }

  /** Unloads the model when its running requests have ended; those that come meanwhile wait, and load it again. */
  async retire(model: ManifestDigest, o: Waiting): Promise<void> {
    await this.#letGo(model, o, (host) => host.retire());
  }

  async #letGo(
    model: ManifestDigest,
    o: Waiting,
    how: (host: ModelHost) => Promise<void>,
  ): Promise<void> {
    using waiting = this.#waiting(o);
    const { signal } = waiting;
    try {
      const host = this.#hosts.get(model);
      if (host) await unlessAborted(how(host), signal);
    } catch (error) {
      throw failureOf(error, signal);
    }
  }

  async *generate(request: GenerateRequest, o: Waiting): AsyncIterable<GenerateEvent> {
    using waiting = this.#waiting(o);
    const { signal } = waiting;
    try {
      using visit = await this.#enter(request, signal);
      const { runner, needs } = yield* visit.ready({ signal });
      const job = runner.generate(this.#job(request, visit.files, needs.contextLength));
      visit.start(job);
      for await (const event of job.events({ signal })) {
        yield event.type === "started" ? { ...event, loadMs: visit.loadMs } : event;
        if (event.type === "end") this.#loader.worked(request.model);
      }
    } catch (error) {
      throw failureOf(error, signal);
    }
  }

  async embed(request: EmbedRequest, o: Waiting): Promise<Embeddings> {
    using waiting = this.#waiting(o);
    const { signal } = waiting;
    try {
      using visit = await this.#enter(request, signal);
      const { runner } = await finished(visit.ready({ signal }));
      const { inputs, truncate = true } = request;
      const job = runner.embed({ inputs, truncate });
      visit.start(job);
      const embeddings = await job.embeddings({ signal });
      this.#loader.worked(request.model);
      return { ...embeddings, loadMs: visit.loadMs };
    } catch (error) {
      throw failureOf(error, signal);
    }
  }

  async tokens(request: TokensRequest, o: Waiting): Promise<Tokens> {
    using waiting = this.#waiting(o);
    const { signal } = waiting;
    try {
      using visit = await this.#enter(request, signal);
      const { runner } = await finished(visit.ready({ signal }));
      const job = runner.tokens({ of: request.of });
      visit.start(job);
      return { ...(await job.tokens({ signal })), loadMs: visit.loadMs };
    } catch (error) {
      throw failureOf(error, signal);
    }
  }

  async #enter(
    request: LoadRequest & Partial<Pick<GenerateRequest, "input">>,
    signal: AbortSignal,
  ): Promise<Visit> {
    signal.throwIfAborted();
    const files = await this.#deps.models.open(request.model, { signal });
    if (!files) {
      throw new InferenceError("MODEL_NOT_HERE", `model ${request.model} is not on this node`);
    }
    const host = this.#host(request.model);
    const wanted = runnerOptionsOf(files.parameters, request.runner);
    const options = keepAutomatic(wanted, host.options);
    if (isShown(request, files)) host.shown();
    const { looks } = host;
    const key = JSON.stringify({ ...options, ...(looks && { looks }) });
    if (!host.queue.hasRoom(key) && this.#queued() >= this.#options.maxQueue) {
      throw new InferenceError("BUSY", SERVER_BUSY, { details: { retryAfterMs: RETRY_AFTER_MS } });
    }
    const load: LoadRunner = async (o) => {
      const paths = await this.#deps.models.runnable(files, o).catch((error: unknown) => {
        throw loadError(error);
      });
      const { modelPath, projectorPaths } = paths;
      const hasProjector = looks || files.projectorPaths.length > 0;
      const projectorPath = hasProjector ? projectorPaths[0] : undefined;
      const spec = this.#spec(files, { modelPath, projectorPath }, options);
      return await this.#loader.load(request.model, spec, o);
    };
    return new Visit(host, files, { key, options, load, request, clock: this.#deps.clock });
  }

  #host(model: ManifestDigest): ModelHost {
    const known = this.#hosts.get(model);
    if (known) return known;
    if (this.#hosts.size >= HOSTS_MAX) {
      for (const host of this.#hosts.values()) if (host.unused) this.#hosts.delete(host.model);
    }
    const host = new ModelHost(model, this.#options, this.#deps);
    this.#hosts.set(model, host);
    return host;
  }

  #spec(
    files: ModelFiles,
    paths: Pick<RunnerSpec, "modelPath" | "projectorPath">,
    options: RunnerOptions,
  ): RunnerSpec {
    return {
      ...paths,
      adapterPaths: files.adapterPaths,
      template: files.template,
      renderer: files.renderer,
      parser: files.parser,
      system: files.system,
      messages: files.messages,
      dropsThinkTags: writesThinkTags(files.record),
      sequences: this.#options.numParallel,
      contextLengthDefault: this.#options.contextLength,
      numCtx: options.numCtx,
      numBatch: options.numBatch,
      numGpu: options.numGpu,
      numThread: options.numThread,
      useMmap: options.useMmap,
    };
  }

  #job(request: GenerateRequest, files: ModelFiles, contextLength: number): GenerateJob {
    const { parameters } = files;
    const sampling = samplingOf(parameters, request.sampling);
    const seed =
      sampling.seed < 0 ? Math.floor(this.#deps.random.next() * SEEDS) : sampling.seed % SEEDS;
    return {
      input: request.input,
      sampling: { ...sampling, seed },
      stop: stopWordsOf(parameters, request.stop),
      format: request.format,
      maxTokens: maxTokensOf(parameters, request.maxTokens, contextLength),
      truncate: request.truncate ?? true,
      shift: request.shift ?? true,
      logprobs: request.logprobs,
      renderOnly: request.renderOnly ?? false,
      returnContext: request.returnContext ?? false,
      resume: request.resume,
    };
  }

  #queued(): number {
    return [...this.#hosts.values()].reduce((sum, host) => sum + host.queue.waiting, 0);
  }

  /** As long as the engine is there. */
  #waiting({ signal }: Waiting): LinkedSignal {
    return new LinkedSignal(signal, this.#closed.signal);
  }
}

/** Something to look at or to listen to, for a model that has no file of its own to do so by. */
function isShown(
  { input }: Partial<Pick<GenerateRequest, "input">>,
  { projectorPaths, record }: ModelFiles,
): boolean {
  if (!input || projectorPaths.length > 0) return false;
  if (!record.capabilities.some((name) => name === "vision" || name === "audio")) return false;
  return input.kind === "messages"
    ? input.messages.some(({ images = [] }) => images.length > 0)
    : (input.images ?? []).length > 0;
}

/** What to throw: when the signal has aborted, why it did. */
function failureOf(error: unknown, signal: AbortSignal): unknown {
  return signal.aborted ? abortError(signal.reason) : error;
}

function abortError(reason: unknown): InferenceError {
  if (reason instanceof InferenceError) return reason;
  const late = reason instanceof Error && reason.name === "TimeoutError";
  return late
    ? new InferenceError("DEADLINE", "the request took too long", { cause: reason })
    : new InferenceError("CANCELLED", "request canceled", { cause: reason });
}

/** What the generator returns, its values left aside. */
async function finished<T>(steps: AsyncGenerator<unknown, T>): Promise<T> {
  for (;;) {
    const step = await steps.next();
    if (step.done) return step.value;
  }
}
