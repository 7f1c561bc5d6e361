import type { Clock } from "../core/clock.ts";
import type { GenerateEvent, LoadRequest, RunnerOptions } from "../core/inference.ts";
import type { ModelFiles } from "../core/model.ts";
import type { Waiting } from "../core/ports.ts";
import type { LoadedRunner, LoadRunner } from "./loading.ts";
import type { ModelHost } from "./model-host.ts";
import type { RunnerJob } from "./runner-job.ts";
import type { Ticket } from "./slot-queue.ts";

interface Wish {
  readonly key: string;
  readonly options: RunnerOptions;
  readonly load: LoadRunner;
  readonly request: Pick<LoadRequest, "keepAliveMs">;
  readonly clock: Clock;
}

/** One request's stay at a model: it waits for its slot, then for the runner, and leaves when its job has finished. */
export class Visit implements Disposable {
  readonly files: ModelFiles;
  readonly #host: ModelHost;
  readonly #wish: Wish;
  readonly #ticket: Ticket;
  #loadMs = 0;
  #job: RunnerJob | undefined;

  constructor(host: ModelHost, files: ModelFiles, wish: Wish) {
    this.files = files;
    this.#host = host;
    this.#wish = wish;
    host.begin(wish.request.keepAliveMs);
    this.#ticket = host.queue.enter(wish.key);
  }

  /** How long the runner took to be there, of the time that this request had a slot. */
  get loadMs(): number {
    return this.#loadMs;
  }

  /** Yields what there is to wait for; returns the runner. */
  async *ready({ signal }: Waiting): AsyncGenerator<GenerateEvent, LoadedRunner> {
    yield* this.#granted(signal);
    const { key, options, load, clock } = this.#wish;
    const startMs = clock.nowMs();
    const ready = this.#host.runnerFor(key);
    if (ready) {
      this.#loadMs = clock.nowMs() - startMs;
      return ready;
    }
    const loading = this.#host.load(key, options, load);
    for (;;) {
      const { result, fraction } = loading;
      if (result) {
        this.#loadMs = clock.nowMs() - startMs;
        return result;
      }
      yield { type: "loading", fraction };
      if (!loading.result) await loading.changes.next({ signal });
    }
  }

  async *#granted(signal: AbortSignal): AsyncGenerator<GenerateEvent> {
    let told = 0;
    while (!this.#ticket.granted) {
      const { position } = this.#ticket;
      if (position === told) await this.#ticket.changes.next({ signal });
      else {
        told = position;
        yield { type: "queued", position };
      }
    }
  }

  /** The slot stays taken until the job has finished, even if the request is gone before. */
  start(job: RunnerJob): void {
    this.#job = job;
  }

  [Symbol.dispose](): void {
    if (!this.#job || this.#job.done) this.#leave();
    else void this.#job.finished.then(() => this.#leave());
  }

  #leave(): void {
    this.#ticket.leave();
    this.#host.finish();
  }
}
