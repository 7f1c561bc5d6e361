import { rename, stat, writeFile } from "node:fs/promises";
import type { Clock } from "../core/clock.ts";
import { type BlobDigest, formatDigest } from "../core/digest.ts";
import { isAborted, messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { Metrics } from "../core/metrics.ts";
import type { Waiting } from "../core/ports.ts";
import {
  formatVerdicts,
  type KnownBlob,
  nextToVerify,
  readVerdicts,
  type Verdict,
} from "./blob-verdicts.ts";
import { systemCode } from "./errors.ts";
import { blobPath } from "./layout.ts";
import type { ModelStore } from "./model-store.ts";
import { PrefixHash } from "./prefix-hash.ts";

export interface ScrubOptions {
  /** Where verdicts last over a restart. */
  readonly file: string;
  readonly bytesPerSecond: number;
  /** How long a verdict holds. */
  readonly intervalMs: number;
}

export interface ScrubDeps {
  readonly store: ModelStore;
  /** Reading waits while it says true: requests come first. */
  readonly isBusy: () => boolean;
  /** A verdict was given; of a damaged blob, after the store has stopped to serve it. */
  readonly onVerdict: (digest: BlobDigest, isSound: boolean) => void;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** What is read between two looks at whether requests came. */
const TICK_MS = 250;
/** When nothing is due. */
const REST_MS = 10_000;

/**
 * Reads the blobs of this node's models again, slowly and one after another, each a SHA-256 in a thread of its own. A blob that
 * is no longer what its digest says is served no more, until another file is in its place.
 */
export class Scrub implements AsyncDisposable {
  readonly #options: ScrubOptions;
  readonly #deps: ScrubDeps;
  readonly #stopping = new AbortController();
  readonly #verdicts: Map<BlobDigest, Verdict>;
  readonly #count: (outcome: "sound" | "damaged") => void;
  #loop: Promise<void> = Promise.resolve();

  private constructor(options: ScrubOptions, deps: ScrubDeps, verdicts: Map<BlobDigest, Verdict>) {
    this.#options = options;
    this.#deps = deps;
    this.#verdicts = verdicts;
    const counter = deps.metrics.counter({
      name: "ollamamax_scrub_blobs_total",
      help: "Blobs that were read again, by what was found.",
      labels: ["outcome"],
    });
    this.#count = (outcome) => counter.add({ outcome });
  }

  /** What was found damaged before counts from the start. */
  static async open(options: ScrubOptions, deps: ScrubDeps): Promise<Scrub> {
    const scrub = new Scrub(options, deps, await readVerdicts(options.file));
    for (const [digest, { isSound, version }] of scrub.#verdicts) {
      if (!isSound) await deps.store.markDamaged(digest, version);
    }
    scrub.#loop = scrub.#run();
    return scrub;
  }

  /** Undefined of what was not read yet. */
  verdictOn(digest: BlobDigest): Verdict | undefined {
    return this.#verdicts.get(digest);
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#deps;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        const next = await this.#next();
        if (next) await this.#verify(next, { signal });
        else await clock.sleep(REST_MS, signal);
      } catch (error) {
        if (signal.aborted) return;
        log.warn({ problem: messageOf(error) }, "a blob could not be read again");
        await clock.sleep(REST_MS, signal).catch(() => {});
      }
    }
  }

  async #next(): Promise<KnownBlob | undefined> {
    const { store, clock } = this.#deps;
    const blobs: KnownBlob[] = [];
    for (const digest of store.blobsInUse()) {
      const version = await this.#versionOf(digest);
      if (version !== undefined) blobs.push({ digest, version });
    }
    const held = new Set(blobs.map(({ digest }) => digest));
    for (const digest of this.#verdicts.keys())
      if (!held.has(digest)) this.#verdicts.delete(digest);
    return nextToVerify(blobs, this.#verdicts, clock.wallMs(), this.#options.intervalMs);
  }

  async #verify({ digest, version }: KnownBlob, o: Waiting): Promise<void> {
    const { store, clock, log, onVerdict } = this.#deps;
    const isSound = (await this.#digestOf(digest, o)) === digest;
    // It was written, or replaced, while it was read.
    if ((await this.#versionOf(digest)) !== version) return;
    this.#verdicts.set(digest, { atMs: clock.wallMs(), isSound, version });
    this.#count(isSound ? "sound" : "damaged");
    if (!isSound) {
      log.error(
        { blob: formatDigest(digest) },
        "a blob on this disk is no longer what its digest says: it is served no more, and copied again from a peer that has it",
      );
      await store.markDamaged(digest, version);
    }
    await this.#keep();
    onVerdict(digest, isSound);
  }

  async #digestOf(digest: BlobDigest, o: Waiting): Promise<string> {
    const { store, clock, isBusy } = this.#deps;
    const path = blobPath(store.layout, digest);
    const { size } = await stat(path);
    await using hash = PrefixHash.open(path);
    const stepBytes = Math.max(1, Math.round((this.#options.bytesPerSecond * TICK_MS) / 1_000));
    for (let end = 0; end < size; ) {
      if (isBusy()) {
        await clock.sleep(TICK_MS, o.signal);
        continue;
      }
      end = Math.min(size, end + stepBytes);
      hash.advance(end);
      if (end < size) await clock.sleep(TICK_MS, o.signal);
    }
    return await hash.digest(o);
  }

  async #versionOf(digest: BlobDigest): Promise<string | undefined> {
    try {
      return await this.#deps.store.blobVersion(digest);
    } catch (error) {
      if (systemCode(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  async #keep(): Promise<void> {
    const { file } = this.#options;
    try {
      await writeFile(`${file}.new`, formatVerdicts(this.#verdicts), { mode: 0o600 });
      await rename(`${file}.new`, file);
    } catch (error) {
      if (isAborted(error)) throw error;
      // Then it is found out again after the next start.
      this.#deps.log.warn({ problem: messageOf(error) }, "what scrubbing found is not kept");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
  }
}
