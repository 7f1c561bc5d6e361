import { readdir, stat } from "node:fs/promises";
import type { Clock } from "../core/clock.ts";
import { type BlobDigest, parseBlobDigest } from "../core/digest.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { Metrics } from "../core/metrics.ts";
import { systemCode } from "./errors.ts";
import { blobPath, type Layout } from "./layout.ts";
import type { StoreKeeper } from "./store-keeper.ts";

export interface GarbageOptions {
  /** What was written less long ago may still get a manifest. */
  readonly ageMs: number;
  readonly intervalMs: number;
}

export interface GarbageDeps {
  readonly layout: Layout;
  readonly keeper: Pick<StoreKeeper, "removeUnneeded">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/**
 * Removes blobs that no manifest needs any more, now and then: uploads that became no model, what a crash left. Only for a folder
 * that is this node's alone: in a shared one such a blob may be another program's.
 */
export class Garbage implements AsyncDisposable {
  readonly #options: GarbageOptions;
  readonly #deps: GarbageDeps;
  readonly #stopping = new AbortController();
  readonly #count: (blobs: number) => void;
  #loop: Promise<void> = Promise.resolve();

  private constructor(options: GarbageOptions, deps: GarbageDeps) {
    this.#options = options;
    this.#deps = deps;
    const counter = deps.metrics.counter({
      name: "ollamamax_garbage_blobs_removed_total",
      help: "Blobs that were removed because no model needs them.",
      labels: [],
    });
    this.#count = (blobs) => counter.add({}, blobs);
  }

  static open(options: GarbageOptions, deps: GarbageDeps): Garbage {
    const garbage = new Garbage(options, deps);
    garbage.#loop = garbage.#run();
    return garbage;
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#deps;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#collect();
      } catch (error) {
        log.warn({ problem: messageOf(error) }, "unneeded blobs stay");
      }
      await clock.sleep(this.#options.intervalMs, signal).catch(() => {});
    }
  }

  async #collect(): Promise<void> {
    const { layout, keeper, clock, log } = this.#deps;
    const old = await blobsOlderThan(layout, clock.wallMs() - this.#options.ageMs);
    if (old.length === 0) return;
    const removed = await keeper.removeUnneeded(old);
    this.#count(removed);
    if (removed > 0) log.info({ removed }, "blobs removed that no model needs");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
  }
}

/** Whatever has another name than a blob's is not looked at. */
async function blobsOlderThan(layout: Layout, beforeMs: number): Promise<BlobDigest[]> {
  const old: BlobDigest[] = [];
  for (const name of await readdir(layout.blobsDir)) {
    const digest = name.startsWith("sha256-") ? parseBlobDigest(name) : undefined;
    if (!digest) continue;
    try {
      const { mtimeMs, ctimeMs } = await stat(blobPath(layout, digest));
      if (Math.max(mtimeMs, ctimeMs) < beforeMs) old.push(digest);
    } catch (error) {
      if (systemCode(error) !== "ENOENT") throw error;
    }
  }
  return old;
}
