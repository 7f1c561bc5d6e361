import { rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import type { Clock } from "../core/clock.ts";
import type { DrainState, NodeDrain } from "../core/drain.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { Waiting } from "../core/ports.ts";
import { readStateFile, writeStateFile } from "../mesh/state-file.ts";
import type { SelfReport } from "./self-report.ts";

const FILE = "drain.json";
const FILE_BYTES_MAX = 1_024;

/** By this machine's own clock: it only ever tells how long ago, to people. */
const keptSchema = z.object({ sinceMs: z.number(), deadlineMs: z.number().exactOptional() });
type Kept = z.output<typeof keptSchema>;

export interface DrainDeps {
  readonly report: SelfReport;
  /** Requests that run or wait here. */
  readonly running: () => number;
  /** The others shall know at once. */
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Whether an operator wants this node empty. It stands in the data folder, so that a restart does not forget it. */
export class Drain implements NodeDrain {
  readonly #file: string;
  readonly #deps: DrainDeps;
  #kept: Kept | undefined;

  private constructor(file: string, deps: DrainDeps, kept: Kept | undefined) {
    this.#file = file;
    this.#deps = deps;
    this.#kept = kept;
    deps.report.drained = kept !== undefined;
  }

  /** A file that cannot be read counts as a wish to drain: somebody has written it. */
  static async open(dataDir: string, deps: DrainDeps): Promise<Drain> {
    const file = path.join(dataDir, FILE);
    let kept: Kept | undefined;
    try {
      const bytes = await readStateFile(file, FILE_BYTES_MAX);
      if (bytes) kept = keptSchema.parse(JSON.parse(bytes.toString()));
    } catch (error) {
      deps.log.warn({ file, problem: messageOf(error) }, "drain's file is damaged");
      kept = { sinceMs: deps.clock.wallMs() };
    }
    if (kept) deps.log.info({}, "this node is still to be drained: `ollamamax undrain` ends it");
    return new Drain(file, deps, kept);
  }

  state(): DrainState {
    const { clock, running } = this.#deps;
    const kept = this.#kept;
    if (!kept) return { draining: false, running: running() };
    const nowMs = clock.wallMs();
    return {
      draining: true,
      sinceMs: Math.max(0, nowMs - kept.sinceMs),
      ...(kept.deadlineMs !== undefined && { deadlineInMs: kept.deadlineMs - nowMs }),
      running: running(),
    };
  }

  async begin({ deadlineMs }: Waiting & { readonly deadlineMs?: number }): Promise<void> {
    const nowMs = this.#deps.clock.wallMs();
    const kept = {
      sinceMs: this.#kept?.sinceMs ?? nowMs,
      ...(deadlineMs !== undefined && { deadlineMs: nowMs + deadlineMs }),
    };
    await writeStateFile(this.#file, JSON.stringify(kept));
    this.#change(kept);
  }

  async end(): Promise<void> {
    await rm(this.#file, { force: true });
    this.#change(undefined);
  }

  #change(kept: Kept | undefined): void {
    const { report, onChange, log } = this.#deps;
    if ((kept === undefined) === (this.#kept === undefined)) {
      this.#kept = kept;
      return;
    }
    this.#kept = kept;
    report.drained = kept !== undefined;
    onChange();
    log.info({}, kept ? "draining on an operator's word" : "no longer draining");
  }
}
