import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import type { Clock } from "../core/clock.ts";
import { InferenceError, messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { NODE_ARGUMENTS } from "../core/node-arguments.ts";
import type { Waiting } from "../core/ports.ts";
import { unlessAborted } from "./changes.ts";
import { childEnvironment } from "./child-environment.ts";
import {
  type EmbedJob,
  type FromRunner,
  type GenerateJob,
  isFromRunner,
  type RunnerNeeds,
  type RunnerSpec,
  type TokensJob,
  type ToRunner,
} from "./runner/protocol.ts";
import { RunnerJob } from "./runner-job.ts";

const MAIN = path.join(import.meta.dirname, "runner/main.ts");
const PING_INTERVAL_MS = 1_000;
const STDERR_CHARS_MAX = 4_000;

/** Ollama's words. */
export const RUNNER_DIED =
  "model runner has unexpectedly stopped, this may be due to resource limitations or an internal error, " +
  "check ollama server logs for details";

interface RunnerProcessOptions {
  readonly stallTimeoutMs: number;
  /** What it writes to stderr is logged when it dies; mtmd writes prompts there. */
  readonly keepsErrors: boolean;
}

interface Deps {
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * A child process that runs one model. It lives in a process group of its own, ends when this process dies, and is ended with
 * SIGKILL: it holds nothing but memory.
 */
export class RunnerProcess implements AsyncDisposable {
  /** Resolves when the process is gone, for whatever reason. */
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #stallTimeoutMs: number;
  readonly #stopped = new AbortController();
  readonly #jobs = new Map<number, RunnerJob>();
  #watching: Promise<void> | undefined;
  #nextJob = 1;
  #heard = true;
  #stderr = "";
  #failure: InferenceError | undefined;
  #unexpected = false;
  #onMessage: ((message: FromRunner) => void) | undefined;

  private constructor(child: ChildProcess, stallTimeoutMs: number, deps: Deps) {
    this.#child = child;
    this.#clock = deps.clock;
    this.#log = deps.log.child({ runnerPid: child.pid });
    this.#stallTimeoutMs = stallTimeoutMs;
    child.on("message", (messages: unknown) => this.#receive(messages));
    child.on("error", (error) => this.#end({ how: messageOf(error) }));
    child.stderr?.on("data", (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString()).slice(-STDERR_CHARS_MAX);
    });
    this.ended = once(child, "close").then(
      ([code, signal]) => this.#end({ code, signal }),
      // It could not even be started, which its error event has told.
      () => {},
    );
  }

  static spawn(options: RunnerProcessOptions, deps: Deps): RunnerProcess {
    const child = fork(MAIN, [], {
      execPath: process.execPath,
      execArgv: [...NODE_ARGUMENTS],
      env: childEnvironment(process.env),
      serialization: "advanced",
      detached: true,
      stdio: ["ignore", "ignore", options.keepsErrors ? "pipe" : "ignore", "ipc"],
    });
    return new RunnerProcess(child, options.stallTimeoutMs, deps);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get alive(): boolean {
    return this.#failure === undefined;
  }

  /** It died or stalled: nobody here ended it. */
  get diedUnexpectedly(): boolean {
    return this.#unexpected;
  }

  /** What loading the model will take. */
  async inspect(spec: RunnerSpec, { signal }: Waiting): Promise<RunnerNeeds> {
    return await this.#call({ type: "inspect", spec }, signal, (message) =>
      message.type === "inspected" ? message.needs : undefined,
    );
  }

  /** Loads what was inspected. */
  async load(onProgress: (fraction: number) => void, { signal }: Waiting): Promise<void> {
    await this.#call({ type: "load" }, signal, (message) => {
      if (message.type === "progress") onProgress(message.fraction);
      return message.type === "loaded" ? true : undefined;
    });
  }

  generate(job: GenerateJob): RunnerJob {
    return this.#start((id) => ({ type: "generate", id, job }));
  }

  embed(job: EmbedJob): RunnerJob {
    return this.#start((id) => ({ type: "embed", id, job }));
  }

  tokens(job: TokensJob): RunnerJob {
    return this.#start((id) => ({ type: "tokens", id, job }));
  }

  /** Ends the process; its jobs fail with this error. */
  async kill(error: InferenceError): Promise<void> {
    this.#failure ??= error;
    this.#child.kill("SIGKILL");
    await this.ended;
    await this.#watching;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill(new InferenceError("RUNNER_DIED", "the model is being unloaded"));
  }

  #start(message: (id: number) => ToRunner): RunnerJob {
    const id = this.#nextJob++;
    const job = new RunnerJob(id, (toRunner) => this.#send(toRunner));
    if (this.#failure) job.fail(this.#failure);
    else {
      this.#jobs.set(id, job);
      this.#watching ??= this.#watch();
      this.#send(message(id));
    }
    return job;
  }

  async #call<T>(
    request: ToRunner,
    signal: AbortSignal,
    answer: (message: FromRunner) => T | undefined,
  ): Promise<T> {
    const answered = Promise.withResolvers<T>();
    this.#onMessage = (message) => {
      if (message.type === "notLoaded") {
        answered.reject(new InferenceError("LOAD_FAILED", message.message));
      }
      const result = answer(message);
      if (result !== undefined) answered.resolve(result);
    };
    const died = this.ended.then(() => {
      throw this.#failure;
    });
    this.#send(request);
    try {
      return await unlessAborted(Promise.race([answered.promise, died]), signal);
    } finally {
      this.#onMessage = undefined;
    }
  }

  #send(message: ToRunner): void {
    // A failed write means that the process is dying, which its exit will tell.
    if (this.#child.connected) this.#child.send(message, () => {});
  }

  #receive(messages: unknown): void {
    if (!isFromRunner(messages)) return;
    this.#heard = true;
    for (const message of messages) this.#take(message);
  }

  #take(message: FromRunner): void {
    if (message.type === "log") {
      this.#log[message.level]({ text: message.text }, "llama.cpp");
      return;
    }
    if ("id" in message) {
      this.#jobs.get(message.id)?.receive(message);
      if (message.type === "finished") this.#jobs.delete(message.id);
    } else this.#onMessage?.(message);
  }

  #end(how: Readonly<Record<string, unknown>>): void {
    if (!this.#failure) {
      this.#unexpected = true;
      this.#log.warn({ ...how, stderr: this.#stderr }, "model runner ended unexpectedly");
    }
    this.#failure ??= new InferenceError("RUNNER_DIED", RUNNER_DIED, { details: how });
    this.#stopped.abort();
    for (const job of this.#jobs.values()) job.fail(this.#failure);
    this.#jobs.clear();
  }

  /**
   * A runner with jobs that says nothing, not even an answer to a ping, is stalled. Missed pings are counted, not time: when
   * this process itself was frozen, that is one ping missed and not a minute.
   */
  async #watch(): Promise<void> {
    const { signal } = this.#stopped;
    this.#heard = true;
    for (let silentMs = 0; this.#jobs.size > 0; ) {
      if (this.#heard) {
        silentMs = 0;
        this.#heard = false;
        this.#send({ type: "ping" });
      } else if (silentMs >= this.#stallTimeoutMs) {
        this.#stalled();
        break;
      } else silentMs += PING_INTERVAL_MS;
      await this.#clock.sleep(PING_INTERVAL_MS, signal).catch(() => {});
      if (signal.aborted) return;
    }
    this.#watching = undefined;
  }

  #stalled(): void {
    this.#log.warn({}, "model runner stalled");
    this.#unexpected = true;
    this.#failure ??= new InferenceError("STALLED", "model runner has stopped answering");
    this.#child.kill("SIGKILL");
  }
}
