import type { Clock } from "../core/clock.ts";
import type { ManifestDigest } from "../core/digest.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { formatFullName, type ModelName } from "../core/model-name.ts";
import type { Waiting } from "../core/ports.ts";

export interface DamagedModel {
  readonly model: ManifestDigest;
  readonly name: ModelName;
}

export interface HealerDeps {
  /** Models here that have a damaged blob. */
  readonly damaged: () => readonly DamagedModel[];
  readonly copy: (model: ManifestDigest, name: ModelName, o: Waiting) => Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Nobody may have it just now. */
const AGAIN_MS = 60_000;

/** Brings damaged models from peers again, one after another, for as long as there are any. */
export class Healer implements AsyncDisposable {
  readonly #deps: HealerDeps;
  readonly #stopping = new AbortController();
  #nap = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  private constructor(deps: HealerDeps) {
    this.#deps = deps;
  }

  static open(deps: HealerDeps): Healer {
    const healer = new Healer(deps);
    healer.#loop = healer.#run();
    return healer;
  }

  /** Something was damaged just now. */
  wake(): void {
    this.#nap.abort();
  }

  async #run(): Promise<void> {
    const { damaged, copy, clock, log } = this.#deps;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#nap = new AbortController();
      for (const { model, name } of damaged()) {
        const fields = { model: formatFullName(name) };
        try {
          await copy(model, name, { signal });
          log.info(fields, "a damaged model was healed from a peer");
        } catch (error) {
          if (signal.aborted) return;
          log.warn({ ...fields, problem: messageOf(error) }, "a damaged model is not healed yet");
        }
      }
      await clock.sleep(AGAIN_MS, AbortSignal.any([signal, this.#nap.signal])).catch(() => {});
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    this.#nap.abort();
    await this.#loop;
  }
}
