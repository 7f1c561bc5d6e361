import { setImmediate } from "node:timers/promises";
import type { Llama } from "node-llama-cpp";
import { afterThisTurn } from "../../core/after-this-turn.ts";
import { InferenceError, messageOf } from "../../core/errors.ts";
import { Embedder } from "./embedding.ts";
import { runGeneration } from "./generation.ts";
import { runMultimodalGeneration } from "./multimodal-generation.ts";
import { MultimodalModel } from "./multimodal-model.ts";
import { Outbox } from "./outbox.ts";
import {
  type EmbedJob,
  type Failure,
  type FromRunner,
  type GenerateJob,
  isToRunner,
  type RunnerNeeds,
  type RunnerSpec,
  type TokensJob,
  type ToRunner,
} from "./protocol.ts";
import { inspectModel, openLlama, RunnerModel } from "./runner-model.ts";
import { Sequences } from "./sequences.ts";
import { convert } from "./vocabulary.ts";

interface Job {
  readonly abort: AbortController;
  readonly outbox?: Outbox;
}

interface Inspected {
  readonly llama: Llama;
  readonly spec: RunnerSpec;
  readonly needs: RunnerNeeds;
}

interface Loaded {
  readonly runner: RunnerModel;
  readonly sequences: Sequences | undefined;
  /** Of a model that sees: it answers. */
  readonly multimodal: MultimodalModel | undefined;
  /** Loads what embeds, where that is not there yet. */
  readonly embedder: () => Promise<Embedder>;
}

/** The runner's side of the protocol: one model, many jobs. What it says in one turn of the event loop goes out together. */
export class RunnerServer {
  readonly #post: (messages: readonly FromRunner[]) => void;
  #unsent: FromRunner[] = [];
  readonly #jobs = new Map<number, Job>();
  #inspected: Inspected | undefined;
  #loaded: Loaded | undefined;
  #firstWarning: string | undefined;

  constructor(post: (messages: readonly FromRunner[]) => void) {
    this.#post = post;
  }

  /** Each message between processes wakes the other one: the last text, the end and the free slot are one. */
  #send(message: FromRunner): void {
    if (this.#unsent.push(message) > 1) return;
    afterThisTurn(() => {
      const messages = this.#unsent;
      this.#unsent = [];
      this.#post(messages);
    });
  }

  receive(message: unknown): void {
    if (!isToRunner(message)) return;
    this.#handle(message).catch(async (error: unknown) => {
      // The library says that it failed; why is in llama.cpp's log, whose lines come a turn of the event loop later.
      await setImmediate();
      await setImmediate();
      const why = this.#firstWarning === undefined ? "" : `: ${this.#firstWarning}`;
      this.#send({ type: "notLoaded", message: messageOf(error) + why });
    });
  }

  async #handle(message: ToRunner): Promise<void> {
    switch (message.type) {
      case "inspect":
        return await this.#inspect(message.spec);
      case "load":
        return await this.#load();
      case "generate":
        return await this.#generate(message.id, message.job);
      case "embed":
        return await this.#embed(message.id, message.job);
      case "tokens":
        return await this.#tokens(message.id, message.job);
      case "cancel":
        return this.#jobs.get(message.id)?.abort.abort();
      case "credit":
        return this.#jobs.get(message.id)?.outbox?.credit(message.events);
      case "ping":
        return this.#send({ type: "pong" });
    }
  }

  async #inspect(spec: RunnerSpec): Promise<void> {
    const llama = await openLlama(spec, (level, text) => {
      if (level === "warn") this.#firstWarning ??= text.trim();
      this.#send({ type: "log", level, text });
    });
    const needs = await inspectModel(llama, spec);
    this.#inspected = { llama, spec, needs };
    this.#send({ type: "inspected", needs });
  }

  async #load(): Promise<void> {
    if (!this.#inspected) throw new Error("load before inspect");
    const { llama, spec, needs } = this.#inspected;
    let toldPercent = 0;
    const onProgress = (fraction: number): void => {
      const percent = Math.floor(fraction * 100);
      if (percent === toldPercent) return;
      toldPercent = percent;
      this.#send({ type: "progress", fraction });
    };
    this.#loaded =
      spec.projectorPath === undefined
        ? await loadText(llama, spec, needs, onProgress)
        : await this.#loadMultimodal(llama, { ...spec, projectorPath: spec.projectorPath }, needs);
    this.#send({ type: "loaded" });
  }

  async #loadMultimodal(
    llama: Llama,
    spec: RunnerSpec & { readonly projectorPath: string },
    needs: RunnerNeeds,
  ): Promise<Loaded> {
    const runner = await RunnerModel.loadVocabulary(llama, spec, needs);
    const multimodal = MultimodalModel.load(runner, spec.projectorPath, (text) => {
      this.#firstWarning ??= text.trim();
      this.#send({ type: "log", level: "warn", text });
    });
    // The weights are mapped from the same file, so it costs little more than its context.
    let text: Promise<Embedder> | undefined;
    const embedder = (): Promise<Embedder> => {
      const alone = { ...spec, projectorPath: undefined, sequences: 1 };
      text ??= RunnerModel.load(llama, alone, needs, () => {}).then(
        (full) => new Embedder(full),
        (error: unknown) => {
          text = undefined;
          throw error;
        },
      );
      return text;
    };
    return { runner, sequences: undefined, multimodal, embedder };
  }

  async #generate(id: number, job: GenerateJob): Promise<void> {
    const outbox = new Outbox((event) => this.#send({ type: "event", id, event }));
    await this.#run(id, outbox, async ({ runner, sequences, multimodal }, signal) => {
      if (multimodal) return await runMultimodalGeneration({ multimodal, job, outbox, signal });
      if (!sequences)
        throw new InferenceError("UNSUPPORTED", "this model does not support generate");
      await runGeneration({ runner, sequences, job, outbox, signal });
    });
  }

  async #embed(id: number, job: EmbedJob): Promise<void> {
    await this.#run(id, undefined, async ({ embedder }, signal) => {
      const onVector = (vector: Float32Array): void => this.#send({ type: "vector", id, vector });
      const promptTokens = await (await embedder()).run(job, onVector, signal);
      this.#send({ type: "embedded", id, promptTokens });
    });
  }

  async #tokens(id: number, job: TokensJob): Promise<void> {
    await this.#run(id, undefined, async ({ runner }) => {
      this.#send({ type: "tokens", id, ...convert(runner, job) });
    });
  }

  /** Tells of a failure, and of the end of every job: then its slot is free. */
  async #run(
    id: number,
    outbox: Outbox | undefined,
    action: (loaded: Loaded, signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const abort = new AbortController();
    this.#jobs.set(id, { abort, ...(outbox && { outbox }) });
    try {
      if (!this.#loaded) throw new Error("a job before load");
      await action(this.#loaded, abort.signal);
    } catch (error) {
      this.#send({ type: "failed", id, failure: failureOf(error) });
    } finally {
      this.#jobs.delete(id);
      this.#send({ type: "finished", id });
    }
  }
}

async function loadText(
  llama: Llama,
  spec: RunnerSpec,
  needs: RunnerNeeds,
  onProgress: (fraction: number) => void,
): Promise<Loaded> {
  const runner = await RunnerModel.load(llama, spec, needs, onProgress);
  const sequences = runner.onlyEmbeds ? undefined : new Sequences(await runner.context());
  const embedder = new Embedder(runner);
  return { runner, sequences, multimodal: undefined, embedder: async () => embedder };
}

function failureOf(error: unknown): Failure {
  if (error instanceof InferenceError) return { code: error.code, message: error.message };
  return { code: "RUNNER_DIED", message: `the model runner failed: ${messageOf(error)}` };
}
