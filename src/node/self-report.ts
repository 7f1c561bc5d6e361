import { statfs } from "node:fs/promises";
import type { Clock } from "../core/clock.ts";
import type { EngineStatus } from "../core/inference.ts";
import type { NodeReport, NodeState } from "../core/node-view.ts";
import { VERSION } from "./version.ts";

const SAMPLE_INTERVAL_MS = 2_000;

export interface SelfReportOptions {
  readonly name: string;
  readonly region: string;
  readonly zone: string;
  readonly modelsDir: string;
}

export interface SelfReportDeps {
  readonly clock: Clock;
  readonly engine: { status(): EngineStatus };
}

/** What this node tells the others about itself in every heartbeat. */
export class SelfReport implements AsyncDisposable {
  /** The draining node says so before it refuses anything, so that the others look elsewhere at once. */
  state: NodeState = "active";
  /** On an operator's word, for as long as it holds. */
  drained = false;
  apiUrl = "";
  readonly #options: SelfReportOptions;
  readonly #deps: SelfReportDeps;
  readonly #stopping = new AbortController();
  #freeDiskBytes = 0;
  #freeMemoryBytes = 0;
  #sampling = Promise.resolve();

  private constructor(options: SelfReportOptions, deps: SelfReportDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  static async open(options: SelfReportOptions, deps: SelfReportDeps): Promise<SelfReport> {
    const report = new SelfReport(options, deps);
    await report.#sample();
    report.#sampling = report.#sampleLoop();
    return report;
  }

  report(): NodeReport {
    const { name, region, zone } = this.#options;
    const { running, queued, slots, loaded } = this.#deps.engine.status();
    return {
      name,
      region,
      zone,
      version: VERSION,
      state: this.drained && this.state === "active" ? "draining" : this.state,
      load: { running, queued, slots },
      loaded,
      freeMemoryBytes: this.#freeMemoryBytes,
      freeDiskBytes: this.#freeDiskBytes,
      apiUrl: this.apiUrl,
    };
  }

  async #sample(): Promise<void> {
    this.#freeMemoryBytes = process.availableMemory();
    const { bavail, bsize } = await statfs(this.#options.modelsDir);
    this.#freeDiskBytes = bavail * bsize;
  }

  async #sampleLoop(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#deps.clock.sleep(SAMPLE_INTERVAL_MS, signal).catch(() => {});
      // A folder that cannot be asked for a moment keeps its last figure: it is for placement, not for safety.
      await this.#sample().catch(() => {});
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#sampling;
  }
}
