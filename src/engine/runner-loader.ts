import type { Clock } from "../core/clock.ts";
import type { ManifestDigest } from "../core/digest.ts";
import { InferenceError, isAborted, messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { Waiting } from "../core/ports.ts";
import type { Random } from "../core/random.ts";
import { backoffMs } from "../core/retry.ts";
import { unlessAborted } from "./changes.ts";
import { type LoadStep, type ModelUse, nextLoadStep, PROCESS_BYTES } from "./loaded-models.ts";
import type { LoadedRunner } from "./loading.ts";
import { longSleep } from "./long-sleep.ts";
import type { LlamaEngineOptions } from "./options.ts";
import type { RunnerSpec } from "./runner/protocol.ts";
import { RunnerProcess } from "./runner-process.ts";

const RESTART = { firstMs: 500, maxMs: 10_000 };

interface Deps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly freeMemoryBytes: () => number;
}

/** What the loader may do about the models that are loaded. */
export interface Residents {
  uses(): readonly ModelUse[];
  retire(model: ManifestDigest): Promise<void>;
}

/** A prompt's sounds keep a runner from saying anything while llama.cpp reads them: 3 to 6 s of ten minutes, with two cores. */
const MEDIA_PATIENCE = 4;

/** Starts runners, one at a time, and makes room for them. */
export class RunnerLoader {
  readonly #options: LlamaEngineOptions;
  readonly #deps: Deps;
  readonly #residents: Residents;
  /** How often in a row a model's runner died. */
  readonly #deaths = new Map<ManifestDigest, number>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: LlamaEngineOptions, residents: Residents, deps: Deps) {
    this.#options = options;
    this.#deps = deps;
    this.#residents = residents;
  }

  /** A runner of this model answered a request to its end. */
  worked(model: ManifestDigest): void {
    this.#deaths.delete(model);
  }

  async load(
    model: ManifestDigest,
    spec: RunnerSpec,
    o: Waiting & { readonly onProgress: (fraction: number) => void },
  ): Promise<LoadedRunner> {
    await this.#pauseAfterDeaths(model, o.signal);
    const before = this.#last;
    const turn = Promise.withResolvers<void>();
    this.#last = before.then(() => turn.promise);
    try {
      await unlessAborted(before, o.signal);
      return await this.#loadNow(model, spec, o);
    } finally {
      turn.resolve();
    }
  }

  async #loadNow(
    model: ManifestDigest,
    spec: RunnerSpec,
    o: Waiting & { readonly onProgress: (fraction: number) => void },
  ): Promise<LoadedRunner> {
    const { clock, log } = this.#deps;
    const startMs = clock.nowMs();
    const runner = RunnerProcess.spawn(
      {
        stallTimeoutMs: this.#options.stallTimeoutMs * (spec.projectorPath ? MEDIA_PATIENCE : 1),
        keepsErrors: spec.projectorPath === undefined,
      },
      { clock, log: log.child({ model }) },
    );
    void runner.ended.then(() => this.#ended(model, runner));
    try {
      const needs = await this.#withinTimeout(o.signal, (_, signal) =>
        runner.inspect(spec, { signal }),
      );
      await this.#makeRoom(needs.ramBytes + PROCESS_BYTES, o.signal);
      await this.#withinTimeout(o.signal, (progressed, signal) =>
        runner.load(
          (fraction) => {
            progressed();
            o.onProgress(fraction);
          },
          { signal },
        ),
      );
      const loadMs = Math.round(clock.nowMs() - startMs);
      log.info({ model, loadMs, ramBytes: needs.ramBytes }, "model loaded");
      return { runner, needs };
    } catch (error) {
      await runner[Symbol.asyncDispose]();
      throw loadError(error);
    }
  }

  /** Unloads others until the model fits. */
  async #makeRoom(needBytes: number, signal: AbortSignal): Promise<void> {
    for (;;) {
      const loaded = this.#residents.uses();
      const step = this.#step(needBytes, loaded);
      if (step.kind === "load") return;
      if (step.kind === "refuse") throw new InferenceError("LOAD_FAILED", step.message);
      await unlessAborted(this.#residents.retire(step.model), signal);
    }
  }

  #step(needBytes: number, loaded: readonly ModelUse[]): LoadStep {
    const usedBytes = loaded.reduce((sum, use) => sum + use.memoryBytes, 0);
    const allowedBytes = this.#options.memoryBytesMax - usedBytes;
    return nextLoadStep({
      needBytes,
      freeBytes: Math.min(this.#deps.freeMemoryBytes(), allowedBytes),
      loaded,
      loadedMax: this.#options.maxLoadedModels,
      nowMs: this.#deps.clock.nowMs(),
    });
  }

  /** The limit is on silence: each sign of progress starts it again. */
  async #withinTimeout<T>(
    signal: AbortSignal,
    action: (progressed: () => void, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { clock } = this.#deps;
    const { loadTimeoutMs } = this.#options;
    const ended = new AbortController();
    const late = new AbortController();
    let progress = 0;
    const watch = async (): Promise<void> => {
      for (let seen = -1; seen !== progress; ) {
        seen = progress;
        await longSleep(clock, loadTimeoutMs, ended.signal);
      }
      late.abort(new InferenceError("LOAD_FAILED", "timed out waiting for the model to load"));
    };
    const watching = watch().catch(() => {});
    const either = AbortSignal.any([signal, late.signal]);
    try {
      return await action(() => progress++, either);
    } finally {
      ended.abort();
      await watching;
    }
  }

  #ended(model: ManifestDigest, runner: RunnerProcess): void {
    if (runner.diedUnexpectedly) this.#deaths.set(model, (this.#deaths.get(model) ?? 0) + 1);
  }

  /** The first restart is immediate. */
  async #pauseAfterDeaths(model: ManifestDigest, signal: AbortSignal): Promise<void> {
    const deaths = this.#deaths.get(model) ?? 0;
    if (deaths < 2) return;
    const { clock, random, log } = this.#deps;
    const pauseMs = backoffMs(RESTART, deaths - 1, random);
    log.warn({ model, deaths, pauseMs }, "model runner keeps dying");
    await clock.sleep(pauseMs, signal);
  }
}

/** A crash while loading speaks against the file; a kill (by the system, when memory ran out) does not. */
export function loadError(error: unknown): unknown {
  if (!(error instanceof InferenceError)) {
    if (isAborted(error)) return error;
    return new InferenceError("LOAD_FAILED", messageOf(error), { cause: error });
  }
  const { signal } = error.details;
  if (error.code !== "RUNNER_DIED" || signal === undefined || signal === "SIGKILL") return error;
  const how = typeof signal === "string" ? signal : "exit";
  return new InferenceError(
    "LOAD_FAILED",
    `the model runner crashed while loading the model (${how})`,
    { cause: error },
  );
}
