import type { Clock } from "../core/clock.ts";
import type { ManifestDigest } from "../core/digest.ts";
import { InferenceError } from "../core/errors.ts";
import type { LoadedModel, RunnerOptions } from "../core/inference.ts";
import type { Logger } from "../core/log.ts";
import { expiresInMs, type ModelUse, PROCESS_BYTES } from "./loaded-models.ts";
import { type LoadedRunner, Loading, type LoadRunner } from "./loading.ts";
import { longSleep } from "./long-sleep.ts";
import { SlotQueue } from "./slot-queue.ts";

interface Resident extends LoadedRunner {
  readonly key: string;
  readonly options: RunnerOptions;
}

interface Deps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly onLoadedChange?: () => void;
}

/** Made once, for each request ends an expiry. */
const IN_USE = new InferenceError("CANCELLED", "a request uses the model");

/** One model of this node: its queue, its runner while it is loaded, and its keep-alive. */
export class ModelHost {
  readonly model: ManifestDigest;
  readonly queue: SlotQueue;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #onLoadedChange: Deps["onLoadedChange"];
  readonly #disposed = new AbortController();
  readonly #defaultKeepAliveMs: number;
  #keepAliveMs: number;
  #looks = false;
  #idleSinceMs: number;
  #resident: Resident | undefined;
  #loading: Loading | undefined;
  #retiring: Promise<void> | undefined;
  #expiry: { readonly stop: AbortController; readonly done: Promise<void> } | undefined;

  constructor(
    model: ManifestDigest,
    options: { readonly numParallel: number; readonly keepAliveMs: number },
    deps: Deps,
  ) {
    this.model = model;
    this.queue = new SlotQueue(options.numParallel);
    this.#defaultKeepAliveMs = options.keepAliveMs;
    this.#keepAliveMs = options.keepAliveMs;
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#onLoadedChange = deps.onLoadedChange;
    this.#idleSinceMs = deps.clock.nowMs();
  }

  /** Nothing of it is here that would be missed. */
  get unused(): boolean {
    const { running, waiting } = this.queue;
    return !this.#resident && !this.#loading && !this.#retiring && running + waiting === 0;
  }

  /** Whether it is loaded with what it sees by, where that is in its own file: from the first picture on, until it is unloaded. */
  get looks(): boolean {
    return this.#looks;
  }

  shown(): void {
    this.#looks = true;
  }

  /** How it is loaded. */
  get options(): RunnerOptions {
    return this.#resident?.options ?? {};
  }

  /** The runner, if it is loaded that way and alive. */
  runnerFor(key: string): LoadedRunner | undefined {
    const resident = this.#resident;
    return resident?.key === key && resident.runner.alive ? resident : undefined;
  }

  /** As the decisions about memory see it; undefined when it is not loaded. */
  use(): ModelUse | undefined {
    if (!this.#resident) return undefined;
    return {
      model: this.model,
      memoryBytes: this.#resident.needs.ramBytes + PROCESS_BYTES,
      running: this.queue.running,
      keepAliveMs: this.#keepAliveMs,
      idleSinceMs: this.#idleSinceMs,
    };
  }

  status(): LoadedModel | undefined {
    const use = this.use();
    if (!use || !this.#resident) return undefined;
    const { ramBytes, vramBytes, contextLength } = this.#resident.needs;
    return {
      model: this.model,
      sizeBytes: ramBytes + vramBytes,
      vramBytes,
      contextLength,
      expiresInMs: expiresInMs(use, this.#clock.nowMs()),
    };
  }

  /**
   * A request of it begins. Its keep-alive, if it has one, stays in force until another request brings another or the model
   * is unloaded.
   */
  begin(keepAliveMs: number | undefined): void {
    const isHere = this.#resident !== undefined || this.#loading !== undefined;
    this.#keepAliveMs = keepAliveMs ?? (isHere ? this.#keepAliveMs : this.#defaultKeepAliveMs);
    this.#expiry?.stop.abort(IN_USE);
    this.#expiry = undefined;
  }

  /** A request of it has ended, and its slot is free again. */
  finish(): void {
    if (this.queue.running > 0) return;
    this.#loading?.cancel();
    if (this.queue.waiting > 0) return;
    this.#idleSinceMs = this.#clock.nowMs();
    if (!this.#resident || this.#disposed.signal.aborted) return;
    const stop = new AbortController();
    this.#expiry = { stop, done: this.#expire(this.#keepAliveMs, stop.signal) };
  }

  /** The load under way, or a new one. The caller has a slot. */
  load(key: string, options: RunnerOptions, loadRunner: LoadRunner): Loading {
    const before = this.#loading;
    if (before?.key === key && !before.cancelled) return before;
    before?.cancel();
    const loading = new Loading(key, async (o) => {
      await before?.settled;
      await this.#dropRunner();
      const loaded = await loadRunner(o);
      this.#keep({ ...loaded, key, options });
      return loaded;
    });
    this.#loading = loading;
    void loading.settled.then(() => {
      if (this.#loading === loading) this.#loading = undefined;
      if (loading.cancelled) this.finish();
    });
    return loading;
  }

  #keep(resident: Resident): void {
    this.#setResident(resident);
    void resident.runner.ended.then(() => {
      if (this.#resident === resident) this.#setResident(undefined);
    });
  }

  #setResident(resident: Resident | undefined): void {
    this.#resident = resident;
    this.#onLoadedChange?.();
  }

  /** Its keep-alive is over: it goes now if it is idle, else as soon as it is. Whoever comes meanwhile is answered. */
  async release(): Promise<void> {
    this.#keepAliveMs = 0;
    if (this.queue.running + this.queue.waiting === 0) await this.retire();
  }

  /** Unloads it when its running requests have ended; those that wait load it again. */
  retire(): Promise<void> {
    this.#retiring ??= this.#retire().finally(() => {
      this.#retiring = undefined;
    });
    return this.#retiring;
  }

  async #retire(): Promise<void> {
    this.queue.pause();
    try {
      // A request that is about to reload it has dropped the runner already, and may itself wait for who retires it.
      while (this.#resident && this.queue.running > 0) {
        await this.queue.changes.next(this.#disposed);
      }
      await this.#dropRunner();
      if (this.queue.waiting === 0) this.#looks = false;
    } finally {
      this.queue.resume();
    }
  }

  /** Its requests fail with this error, and it is gone. */
  async close(error: InferenceError): Promise<void> {
    this.#disposed.abort(error);
    this.queue.pause();
    this.#loading?.cancel();
    await this.#loading?.settled;
    await this.#resident?.runner.kill(error);
    this.#expiry?.stop.abort();
    await this.#expiry?.done;
    await this.#retiring?.catch(() => {});
  }

  async #dropRunner(): Promise<void> {
    const resident = this.#resident;
    if (!resident) return;
    this.#setResident(undefined);
    this.queue.changes.notify();
    await resident.runner[Symbol.asyncDispose]();
    this.#log.info({ model: this.model }, "model unloaded");
  }

  async #expire(keepAliveMs: number, signal: AbortSignal): Promise<void> {
    try {
      await longSleep(this.#clock, keepAliveMs, signal);
      await this.retire();
    } catch {
      // A request came, or the engine closes: both see to the model themselves.
    }
  }
}
